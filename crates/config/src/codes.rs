//! The stable codes of plan file diagnostics. Each has a page in `docs/diagnostics`; see [`crate::pages`].

use serde::Serialize;
use std::fmt;

/// A stable code such as `O1011`. `O1…` is about plan files, `O2…` about plans and safety, `O3…` about runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Code(&'static str);

impl Code {
    /// Returns the text of the code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Returns whether the code says that the plan selects nothing.
    #[must_use]
    pub fn is_empty_selection(self) -> bool {
        matches!(self, EMPTY_SCOPE | SCOPE_MATCHES_NOTHING)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code($code);)*

        /// Every code of this crate, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    /// The file is not UTF-8.
    NOT_UTF8 = "O1001";
    /// The file is too large to be a plan.
    TOO_LARGE = "O1002";
    /// The file is not valid YAML.
    SYNTAX = "O1003";
    /// The file is nested too deeply, holds too many values or repeats itself by aliases.
    TOO_COMPLEX = "O1004";
    /// The file is empty.
    EMPTY_FILE = "O1005";
    /// The file holds several YAML documents.
    SEVERAL_DOCUMENTS = "O1006";
    /// The file uses a part of YAML that plans do not support.
    UNSUPPORTED_YAML = "O1007";
    /// A value has the wrong shape.
    WRONG_TYPE = "O1010";
    /// A key is unknown.
    UNKNOWN_KEY = "O1011";
    /// A key is missing.
    MISSING_KEY = "O1012";
    /// A key is written twice.
    DUPLICATE_KEY = "O1013";
    /// A word is not one of those allowed.
    UNKNOWN_WORD = "O1014";
    /// A text or list is empty, or a text holds control characters.
    BAD_TEXT = "O1015";
    /// A number is out of range.
    OUT_OF_RANGE = "O1016";
    /// A value is listed twice.
    LISTED_TWICE = "O1017";
    /// Exactly one of several keys is allowed.
    CHOOSE_ONE = "O1018";
    /// The version of the format is not supported.
    UNSUPPORTED_VERSION = "O1020";
    /// A name is not valid.
    BAD_NAME = "O1021";
    /// An address is not valid.
    BAD_ADDRESS = "O1022";
    /// A duration is not valid.
    BAD_DURATION = "O1023";
    /// A date or time of day is not valid.
    BAD_DATE = "O1024";
    /// The time zone is unknown.
    UNKNOWN_TIMEZONE = "O1025";
    /// A SHA-256 is not 64 hexadecimal digits.
    BAD_SHA256 = "O1026";
    /// A patch level is not a version, or one of another product.
    BAD_VERSION = "O1027";
    /// There are no pools, or a pool has no servers.
    NO_SERVERS = "O1030";
    /// A server is described twice.
    DUPLICATE_SERVER = "O1031";
    /// Two servers have one address.
    DUPLICATE_ADDRESS = "O1032";
    /// A pool is referred to that is not in the file.
    UNKNOWN_POOL = "O1033";
    /// Pools wait for each other.
    CYCLE = "O1034";
    /// A pool refers to itself.
    REFERS_TO_ITSELF = "O1035";
    /// One upgrade domain holds the whole pool.
    DOMAIN_HOLDS_POOL = "O1036";
    /// The pool has more servers than the product supports.
    TOO_MANY_SERVERS = "O1037";
    /// The product has no pools of two front ends.
    TWO_SERVER_POOL = "O1038";
    /// A Standard Edition pool has more than one server.
    STANDARD_EDITION_POOL = "O1039";
    /// The product has no such role.
    ROLE_OF_PRODUCT = "O1040";
    /// Several servers carry central management, or one that cannot.
    CENTRAL_MANAGEMENT_TWICE = "O1041";
    /// The web services name or an external name is taken.
    WEB_NAME_TAKEN = "O1042";
    /// One name is used for a pool and for a server of another, or of several.
    POOL_AND_SERVER = "O1043";
    /// The balancer names a server that the pool does not have.
    UNKNOWN_SERVER = "O1044";
    /// Two pools disagree about their pairing.
    PAIRING_DISAGREES = "O1045";
    /// The balancer contradicts the load balancing.
    BALANCER_CONTRADICTS = "O1046";
    /// A pool is referred to that is outside this file (warning).
    POOL_OUTSIDE = "O1047";
    /// A counter that stands for sessions does not say how many there are.
    NO_LEVEL = "O1048";
    /// The drain names a service that no server of the plan blocks.
    DRAIN_OUTSIDE_SCOPE = "O1049";
    /// A service is unknown.
    UNKNOWN_SERVICE = "O1050";
    /// A component cannot be blocked apart from its service.
    GROUPED_COMPONENT = "O1051";
    /// A feature is unknown.
    UNKNOWN_FEATURE = "O1052";
    /// The scope lists no services.
    EMPTY_SCOPE = "O1053";
    /// `at_once` leaves no server of a pool.
    AT_ONCE_TAKES_POOL = "O1054";
    /// The service is part of the platform and is never blocked.
    NEVER_BLOCKED = "O1055";
    /// No pool of the file runs a service of the scope, or one is named that has no draining state (warning).
    SCOPE_MATCHES_NOTHING = "O1056";
    /// The Windows name of a service is not known.
    NAME_NOT_KNOWN = "O1057";
    /// The roles of two pools do not go together as next hop or pair.
    ROLES_DO_NOT_JOIN = "O1059";
    /// Basic authentication without TLS.
    BASIC_WITHOUT_TLS = "O1060";
    /// TLS settings without TLS.
    TLS_SETTING_WITHOUT_TLS = "O1061";
    /// Credentials are written into the plan.
    CREDENTIALS_IN_PLAN = "O1062";
    /// A pool that is not an Edge pool has external names or addresses.
    EXTERNAL_NOT_EDGE = "O1063";
    /// An external name has no address of a server, or an address has no name.
    EXTERNAL_INCOMPLETE = "O1064";
    /// One external name has two sets of addresses of a server.
    EXTERNAL_DISAGREES = "O1065";
    /// A pool of several servers accepts to be without service.
    OUTAGE_OF_SEVERAL = "O1066";
    /// Two upgrade domains of a pool are written almost alike.
    NEARLY_ONE_DOMAIN = "O1067";
    /// A counter that a pool names for a service counts the sessions of another one (warning).
    COUNTER_OF_ANOTHER = "O1068";
    /// The credentials are of another kind than the authentication takes.
    CREDENTIALS_DO_NOT_FIT = "O1130";
    /// A KDC is stated without its realm.
    KDC_WITHOUT_REALM = "O1131";
    /// A Kerberos setting without Kerberos.
    KERBEROS_SETTING_UNUSED = "O1132";
    /// A part of a credential source without the rest of it.
    HALF_A_SOURCE = "O1133";
    /// A window is too long.
    WINDOW_TOO_LONG = "O1070";
    /// A freeze ends before it begins.
    FREEZE_REVERSED = "O1071";
    /// A freeze of whole days has no time zone, and there is no window to have one.
    FREEZE_WITHOUT_ZONE = "O1072";
    /// A calendar file cannot be used.
    BAD_CALENDAR = "O1073";
    /// Matchers of a silence do not name the server.
    SILENCES_ALL = "O1074";
    /// A budget's label is on no pool.
    LABEL_ON_NO_POOL = "O1080";
    /// Sessions may be cut (warning).
    SESSIONS_MAY_BE_CUT = "O1090";
    /// A task cannot run as this account.
    BAD_TASK_ACCOUNT = "O1091";
    /// The account that logs on cannot lend its name to a task.
    NOT_AS_SELF = "O1092";
    /// A patch level is that of the product before its first update.
    LEVEL_IS_BASE = "O1096";
    /// A patch level has fewer parts than the version of an update.
    LEVEL_TOO_SHORT = "O1097";
    /// A name that HAProxy does not allow.
    BALANCER_NAME = "O1100";
    /// Two servers have one name in the balancer.
    SAME_BALANCER_NAME = "O1101";
    /// A backend is both drained and left alone.
    BACKEND_BOTH = "O1102";
    /// A list is empty that means its opposite when it is left out.
    EMPTY_LIST = "O1107";
    /// An exit code is not one of Windows.
    BAD_EXIT_CODE = "O1109";
    /// Every server of a pool is away.
    EVERY_SERVER_AWAY = "O1110";
    /// A server that is away is said to host the central management.
    AWAY_CENTRAL_MANAGEMENT = "O1111";
    /// A server that is away is named for a turn.
    TURN_OF_ONE_AWAY = "O1112";
    /// The product does not allow an order.
    ORDER_NOT_ALLOWED = "O1113";
    /// The server that goes first is not the first in the order.
    FIRST_IS_NOT = "O1114";
    /// A value that can be read and is hardly meant.
    HARDLY_MEANT = "O1115";
    /// Several installers do not go together.
    INSTALLERS_DISAGREE = "O1120";
}
