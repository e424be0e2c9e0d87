//! The codes of findings. Each has a page, `docs/diagnostics/<code>.md`.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: &str = $code;)*

        /// Every code with its title, in the order of the codes.
        pub const CODES: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    MISSING_RECORD = "O2001", "the pool's name does not list a server";
    STALE_RECORD = "O2002", "the pool's name lists an address that is no server's";
    FOREIGN_RECORD = "O2003", "the pool's name lists a server of another pool";
    ALIAS = "O2004", "the pool's name is an alias";
    SINGLE_ADDRESS = "O2005", "the pool's name has one address, which is a balancer's";
    NO_OWN_RECORD = "O2006", "a server's own name has no address";
    NOT_COVERED = "O2007", "a feature would be lost while a server is blocked";
    LOSS_ACCEPTED = "O2008", "the loss of a feature is accepted by name";
    RECORDS_UNKNOWN = "O2009", "the pool's records are not known";
    WEB_NAME = "O2010", "the web services name does not lead to a balancer";
    ADDRESS_DIFFERS = "O2011", "a server has another address than the plan says";
    BUDGET_USED = "O2012", "servers that are down use up the budget";
    BELOW_QUORUM = "O2013", "the pool would fall below its quorum";
    AT_QUORUM = "O2014", "the pool would run at the limit of its quorum";
    UPGRADE_DOMAIN = "O2015", "upgrade domains stand in the way";
    NOT_READY = "O2016", "the product does not say that the pool is ready";
    NO_READINESS = "O2017", "the pool has no readiness state to wait for";
    UNKNOWN = "O2018", "a server did not say how it is";
    NOT_ASKED = "O2019", "the servers were not asked";
    NOT_INSTALLED = "O2020", "a service is not installed";
    NOT_PAUSABLE = "O2021", "a service cannot be blocked now";
    NOT_COUNTABLE = "O2022", "the sessions of a service cannot be counted";
    INTERRUPTED = "O2023", "an earlier maintenance may have died here";
    RESTART_TRAP = "O2024", "start types are left alone";
    TWO_SERVERS = "O2025", "a pool of two servers";
    WITNESS = "O2026", "the primary database is the witness of the pool";
    NIGHT_WORK = "O2027", "the product's own nightly work falls into the window";
    ARCHIVING = "O2028", "archived conversations may be lost";
    CONTROL_HOST = "O2029", "the run would be controlled from a server of the pool";
    ONLY_SERVER = "O2030", "a drain has nowhere to send the users";
    LAST_SERVING = "O2031", "the last server in service would go";
    MIXED_LEVELS = "O2032", "the servers of a pool are at different levels";
    ALREADY_PATCHED = "O2033", "a server is at the wanted level already";
    REPLICAS_BEHIND = "O2034", "configuration replicas are not up to date";
    BALANCER_BY_HAND = "O2035", "the balancer is left to others";
    SESSIONS_CUT = "O2036", "sessions may be cut";
    TOO_LONG = "O2037", "a server cannot be done within any window";
    SEVERAL_OPENINGS = "O2038", "the work needs several windows";
    PAIRED = "O2039", "paired pools in one change";
    RESTART_BEYOND_SCOPE = "O2040", "a restart reaches services that are not blocked";
    FEWER_AT_ONCE = "O2041", "fewer servers go at once than the plan allows";
    NO_QUORUM_ROW = "O2042", "the product has no pool of this size";
    NOTHING_TO_BLOCK = "O2043", "nothing of the scope belongs to the pool";
    NEXT_HOP = "O2044", "an Edge pool's next hop goes out of service";
    BALANCER_EMPTY = "O2045", "nothing would be left behind the balancer";
    EDGE_LOSSES = "O2046", "traffic that has no fail-over at the Edge";
    NEVER_OPEN = "O2047", "no window opens";
    TIME_ALONE = "O2048", "a service is waited for by time";
    NOT_STAGED = "O2049", "the installer is not in place";
    UNPLANNED = "O2050", "a service with sessions runs that the plan does not know";
    ORDER_DROPPED = "O2051", "the usual order of pools gives way to the plan's";
    STALE = "O2052", "the evidence is too old when it is there";
    DEAD_LISTED = "O2053", "the pool's name lists a server that does not serve";
    CENTRAL_UNSTATED = "O2054", "the central management runs where the plan does not say so";
    EXTERNAL_NAME = "O2055", "an external name does not lead where it should";
    EXTERNAL_UNSTATED = "O2056", "external names are not stated, and so not checked";
    CENTRAL_MANAGEMENT = "O2057", "the central management is not active where the plan says, or on both of a pair";
    DEPENDENT_UNKNOWN = "O2058", "what depends on a blocked service cannot be blocked with it";
    LEVEL_MATCHES_NOTHING = "O2065", "the level names what no server has";
    BELOW_LEVEL = "O2066", "a component is below the level on servers that are at it";
    LEVEL_HOLDS = "O2067", "every server is at the level before anything was done";
    INSTALLER_BESIDE = "O2068", "an installer runs while services that are not blocked serve";
    BALANCER_ADDRESS = "O2070", "the balancer has another address for a server";
    BALANCER_BACKEND = "O2071", "a backend that the plan does not name sends traffic to the pool";
    BALANCER_RIGHT = "O2072", "the balancer cannot be changed";
    BALANCER_MISSING = "O2073", "the balancer does not have a server or a backend";
    BALANCER_BY_NAME = "O2074", "a server of the balancer is taken for one of the plan by name alone";
    BALANCER_BACKEND_LEFT = "O2075", "a backend is left alone";
    LEASED = "O2080", "another control host works on a server";
    LEASE_UNKNOWN = "O2081", "it is not known whether another control host works on a server";
    LEASE_RAN_OUT = "O2082", "another control host has not given a server back";
    SECRET_ARGUMENT = "O2083", "an argument of the installer looks like a secret";
    DRAIN_OF_NOTHING = "O2084", "the drain names a service that no server of the plan blocks";
    INSTALLER_PATH = "O2090", "the installer is no file on a disk of the servers";
    INSTALLER_ASKS = "O2091", "a package would ask a question";
    ARGUMENT_OF_TWO = "O2092", "an argument of the installer is two";
    NOT_FIT = "O2093", "a server is not fit for the installer";
    CMDLETS_IN_TASK = "O2096", "the product is asked in scheduled tasks";
    PASSWORD_IN_TASK = "O2097", "the password of the account goes to the servers";
    DRAIN_UNTOLD = "O2098", "the end of a drain could not be proven";
    BY_SESSIONS_ALONE = "O2099", "the sessions of a service alone prove its drain";
    RESTARTS_FIRST_NOT = "O2104", "a restart for an installer that the plan rules out";
    MAY_OVERRUN = "O2105", "a server may end after its window, as the plan says";
    RESTART_OWED = "O2106", "a server at the level has a restart to come";
    NO_SCRIPT = "O2107", "no script runs on a server";
    SECOND_MACHINE = "O2108", "the product says nothing to the account";
    LEVEL_UNREAD = "O2109", "what is installed on a server is not known";
    IDLE_NOT_SERVING = "O2110", "a server of a pool without work is not in service";
    AWAY = "O2111", "a server is away, as the plan says";
    BEFORE_ITS_TURN = "O2112", "a part of a plan is taken before what comes first";
    ENTRY_NAME = "O2120", "an entry name leads only to the server that goes";
}
