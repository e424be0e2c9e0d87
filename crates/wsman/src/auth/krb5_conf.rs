//! What this program takes from the system's Kerberos configuration: realms, their KDCs, and which realm a name is in.

/// The parts of a `krb5.conf` that matter here. Everything else in it is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Krb5Conf {
    default_realm: Option<String>,
    default_cache: Option<String>,
    /// Realms with the KDCs that are stated for them, in their order.
    realms: Vec<(String, Vec<String>)>,
    /// Domains and hosts with their realms.
    domains: Vec<(String, String)>,
}

impl Krb5Conf {
    /// Reads the text of a configuration. Lines that cannot be read are passed over, as the system's library does
    /// with relations that it does not know.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        let (mut section, mut group) = (String::new(), None::<String>);
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                (section, group) = (name.to_ascii_lowercase(), None);
            } else if line.starts_with('}') {
                group = None;
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim(), value.trim());
                if value.starts_with('{') {
                    group = Some(key.to_owned());
                    if section == "realms" {
                        conf.realms.push((key.to_owned(), Vec::new()));
                    }
                } else {
                    conf.relation(&section, group.as_deref(), (key, value));
                }
            }
        }
        conf
    }

    fn relation(&mut self, section: &str, group: Option<&str>, (key, value): (&str, &str)) {
        match (section, group, key) {
            ("libdefaults", None, "default_realm") => self.default_realm = Some(value.to_owned()),
            ("libdefaults", None, "default_ccache_name") => self.default_cache = Some(value.to_owned()),
            ("realms", Some(_), "kdc") => {
                if let Some((_, kdcs)) = self.realms.last_mut() {
                    kdcs.push(value.to_owned());
                }
            }
            ("domain_realm", None, name) => self.domains.push((name.to_ascii_lowercase(), value.to_owned())),
            _ => {}
        }
    }

    /// Returns the realm of names that state none.
    pub(crate) fn default_realm(&self) -> Option<&str> {
        self.default_realm.as_deref()
    }

    /// Returns where tickets are kept, as it is stated: `FILE:/tmp/krb5cc_%{uid}`.
    #[must_use]
    pub fn default_cache(&self) -> Option<&str> {
        self.default_cache.as_deref()
    }

    /// Returns the KDCs that are stated for a realm.
    pub(crate) fn kdcs(&self, realm: &str) -> &[String] {
        let found = self.realms.iter().find(|(name, _)| name.eq_ignore_ascii_case(realm));
        found.map_or(&[], |(_, kdcs)| kdcs)
    }

    /// Returns the realm of a domain: a DNS name by the domains that are mapped, a short name also by the only realm
    /// whose first label it is.
    pub(crate) fn realm_of(&self, domain: &str) -> Option<&str> {
        let domain = domain.to_ascii_lowercase();
        let is_under = |known: &str| match known.strip_prefix('.') {
            Some(suffix) => domain == suffix || domain.ends_with(known),
            None => domain == known,
        };
        if let Some((_, realm)) = self.domains.iter().find(|(known, _)| is_under(known)) {
            return Some(realm);
        }
        let first = |realm: &str| realm.split('.').next().is_some_and(|label| label.eq_ignore_ascii_case(&domain));
        let mut named = self
            .realms
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.eq_ignore_ascii_case(&domain) || (!domain.contains('.') && first(name)));
        named.next().filter(|_| named.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# as an administrator writes it
[libdefaults]
  default_realm = CONTOSO.EXAMPLE
  dns_lookup_kdc = false
[realms]
 CONTOSO.EXAMPLE = {
  kdc = dc1.contoso.example
  kdc = 10.0.0.2:1088
  admin_server = dc1.contoso.example
 }
 FABRIKAM.EXAMPLE = {
 }
[domain_realm]
 .contoso.example = CONTOSO.EXAMPLE
 fab = FABRIKAM.EXAMPLE
";

    #[test]
    fn realms_kdcs_and_domains_are_found() {
        let conf = Krb5Conf::parse(TEXT);
        assert_eq!(conf.default_realm(), Some("CONTOSO.EXAMPLE"));
        assert_eq!(conf.kdcs("contoso.example"), ["dc1.contoso.example", "10.0.0.2:1088"]);
        assert!(conf.kdcs("FABRIKAM.EXAMPLE").is_empty());
        for (domain, realm) in [
            ("CONTOSO", Some("CONTOSO.EXAMPLE")),
            ("contoso.example", Some("CONTOSO.EXAMPLE")),
            ("eu.contoso.example", Some("CONTOSO.EXAMPLE")),
            ("FAB", Some("FABRIKAM.EXAMPLE")),
            ("mail.example", None),
            ("CONT", None),
        ] {
            assert_eq!(conf.realm_of(domain), realm, "{domain}");
        }
    }

    #[test]
    fn a_netbios_name_that_fits_two_realms_is_no_realm() {
        let conf = Krb5Conf::parse("[realms]\nCORP.ONE.EXAMPLE = {\n}\nCORP.TWO.EXAMPLE = {\n}\n");
        assert_eq!(conf.realm_of("CORP"), None);
    }
}
