//! The schema and its precedence, from the outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use node_config::cmdline;
use node_config::{
    Addressing, ConfigError, DirectoryConfig, Effective, FarmId, Layer, LocationConfig, NodeConfig,
    Origin, RunMode,
};

fn directory(url: &str) -> DirectoryConfig {
    DirectoryConfig {
        url: url.parse().unwrap(),
        pin: None,
        ca_pem: None,
        insecure_http: false,
    }
}

fn image() -> NodeConfig {
    NodeConfig::new(
        "12".parse().unwrap(),
        directory("https://directory.example:8443/explorer"),
    )
}

#[test]
fn rescue_is_asked_for_by_one() {
    let rescue = |text| node_config::cmdline::parse(text).rescue;
    assert!(rescue("quiet farm.rescue=1"));
    assert!(!rescue("quiet farm.rescue=0"));
    assert!(!rescue("quiet farm.rescue"));
    assert!(!rescue("quiet"));
}

#[test]
fn farm_ids_are_1_to_4294967295() {
    for good in ["1", "4294967295", "012"] {
        good.parse::<FarmId>().unwrap();
    }
    for bad in [
        "0",
        "4294967296",
        "-1",
        "+1",
        "",
        " 1",
        "1.0",
        "abc",
        "99999999999999999999",
    ] {
        let error = bad.parse::<FarmId>().unwrap_err();
        assert!(error.to_string().contains("4294967295"), "{bad}: {error}");
    }
}

#[test]
fn toml_round_trip_of_every_key() {
    let mut config = image();
    config.run_mode = RunMode::Test;
    config.debug = true;
    config.directory.pin = Some(
        "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
            .parse()
            .unwrap(),
    );
    config.directory.ca_pem =
        Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned());
    config.location = Some(LocationConfig {
        country: "BE".to_owned(),
        city: "Gent".to_owned(),
        latitude: 51.05,
        longitude: 3.71,
        ..LocationConfig::default()
    });
    config.addressing = Addressing::Static {
        interface: Some("52:54:00:00:00:01".to_owned()),
        address: "2001:db8::5/64".parse().unwrap(),
        gateway: Some("2001:db8::1".parse().unwrap()),
        dns: vec![
            "2001:db8::53".parse().unwrap(),
            "192.0.2.53".parse().unwrap(),
        ],
    };
    let text = config.to_toml();
    assert_eq!(
        NodeConfig::from_toml(&text, "test").unwrap(),
        config,
        "{text}"
    );
    assert_eq!(
        text,
        config.to_toml(),
        "the same configuration gives the same text"
    );
}

#[test]
fn later_layers_win_key_by_key_and_say_where_from() {
    let farm_toml = Layer::from_toml(
        "\u{feff}farm_id = 13\r\n[location]\r\ncountry = 'BE'\r\n",
        "farm.toml",
    );
    let line = cmdline::parse("quiet farmer_id=14 farmer_id=15 runmode=dev farm.medium=cd");
    assert_eq!(line.medium.as_deref(), Some("cd"));
    let effective = Effective::of(vec![
        (Origin::KernelArgument, line.layer),
        (Origin::FarmToml, farm_toml.unwrap()),
        (Origin::Image, Layer::from(&image())),
    ])
    .unwrap();
    assert_eq!(effective.config.farm_id.get(), 14);
    assert_eq!(effective.config.run_mode, RunMode::Dev);
    assert_eq!(effective.config.location.as_ref().unwrap().country, "BE");
    let origin = |key| {
        effective
            .settings
            .iter()
            .find(|s| s.key == key)
            .unwrap()
            .origin
    };
    assert_eq!(origin("farm_id"), Origin::KernelArgument);
    assert_eq!(origin("location"), Origin::FarmToml);
    assert_eq!(origin("directory.url"), Origin::Image);
}

#[test]
fn unencrypted_directories_need_leave_unless_they_are_here() {
    let mut config = image();
    config.directory = directory("http://directory.example");
    let error = config.check().unwrap_err();
    assert!(matches!(error, ConfigError::InsecureHttp { .. }));
    assert!(error.hint().unwrap().contains("--insecure-http"));
    config.directory.insecure_http = true;
    config.check().unwrap();
    for here in [
        "http://127.0.0.1:8080",
        "http://localhost/explorer",
        "http://[::1]:80",
    ] {
        config.directory = directory(here);
        config.check().unwrap();
    }
}

#[test]
fn urls_that_are_none_are_refused() {
    for bad in [
        "",
        "directory.example",
        "ftp://x",
        "https://",
        "https://a b",
        "https://user:pw@x",
        "https://x:0",
        "https://x:99999",
        "https://2001:db8::1",
        "https://x?y=1",
        "https://x#y",
    ] {
        bad.parse::<node_config::DirectoryUrl>().expect_err(bad);
    }
    let url: node_config::DirectoryUrl = "https://[2001:db8::1]:8443/explorer/".parse().unwrap();
    assert_eq!(url.as_str(), "https://[2001:db8::1]:8443/explorer");
    assert_eq!(url.host(), "2001:db8::1");
}

#[test]
fn unknown_keys_and_newer_schemas_are_refused_with_the_place() {
    let error = Layer::from_toml("farm_id = 1\nfarmid = 2\n", "farm.toml").unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("farm.toml: ") && text.contains("line 2"),
        "{text}"
    );
    let error = Layer::from_toml("schema = 2\nnew_key = 1\n", "farm.toml").unwrap_err();
    assert!(
        matches!(error, ConfigError::NewerSchema { found: 2, known: 1 }),
        "{error}"
    );
    let error = Layer::from_toml("farm_id = 0", "image").unwrap_err();
    assert!(error.to_string().contains("0 is not a farm id"), "{error}");
}

#[test]
fn what_is_set_nowhere_is_named() {
    let error = Effective::of(vec![(Origin::FarmToml, Layer::default())]).unwrap_err();
    assert!(matches!(error, ConfigError::Missing { key: "farm_id" }));
    assert!(error.hint().unwrap().contains("farmer_id=N"));
}

#[test]
fn ip_arguments() {
    let layer = |text: &str| cmdline::parse(text).layer.network;
    assert_eq!(layer("ip=dhcp").dhcp, Some(true));
    let network = layer("ip=192.0.2.5::192.0.2.1:255.255.255.128:host:eth1:none:192.0.2.53");
    assert_eq!(network.address.unwrap().to_string(), "192.0.2.5/25");
    assert_eq!(network.gateway.unwrap().to_string(), "192.0.2.1");
    assert_eq!(network.interface.as_deref(), Some("eth1"));
    assert_eq!(network.dns.len(), 1);
    let network = layer("ip=[2001:db8::5]::[2001:db8::1]:64");
    assert_eq!(network.address.unwrap().to_string(), "2001:db8::5/64");
    for bad in [
        "ip=",
        "ip=nonsense",
        "ip=192.0.2.5::gw",
        "ip=192.0.2.5:::255.0.255.0",
        "ip=1.2.3.4/33",
    ] {
        let line = cmdline::parse(bad);
        assert_eq!(line.layer, Layer::default(), "{bad}");
        assert_eq!(line.ignored.len(), 1, "{bad}");
    }
}

#[test]
fn a_vlan_is_independent_of_addresses_and_can_be_taken_back() {
    let of = |layers: &[(Origin, Layer)]| Effective::of(layers.to_vec()).unwrap().config;
    let mut config = image();
    config.vlan = "12".parse().unwrap();
    let image = (Origin::Image, Layer::from(&config));
    assert_eq!(
        NodeConfig::from_toml(&config.to_toml(), "x").unwrap(),
        config
    );
    let line = |text| (Origin::KernelArgument, cmdline::parse(text).layer);
    let fixed = of(&[image.clone(), line("ip=192.0.2.5/24")]);
    assert_eq!(fixed.vlan.tag(), Some(12));
    assert!(matches!(fixed.addressing, Addressing::Static { .. }));
    let other = of(&[image.clone(), line("vlan=13")]);
    assert_eq!(
        (other.vlan.tag(), other.addressing),
        (Some(13), config.addressing)
    );
    assert_eq!(of(&[image.clone(), line("vlan=none")]).vlan.tag(), None);
    for bad in ["vlan=4095", "vlan=+1", "vlan=", "vlan=x"] {
        let line = cmdline::parse(bad);
        assert_eq!(
            (line.layer, line.ignored.len()),
            (Layer::default(), 1),
            "{bad}"
        );
    }
}

#[test]
fn quotes_and_bare_keys_as_zero_os_reads_them() {
    assert_eq!(
        cmdline::parse("farmer_id=\"7\" debug")
            .layer
            .farm_id
            .unwrap()
            .get(),
        7
    );
    assert_eq!(cmdline::parse("farmer_id=7 farmer_id").layer.farm_id, None);
    let line = cmdline::parse("vlan=4095 bond=x version=v3 farmer_id=x runmode=development");
    assert_eq!(line.ignored.len(), 5, "{:?}", line.ignored);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,200}") {
        let _ = cmdline::parse(&text);
        let _ = Layer::from_toml(&text, "x");
        let _ = text.parse::<node_config::DirectoryUrl>();
    }
}

#[test]
fn words_on_disks_of_all_layers_add_up() {
    let image = Layer::from_toml(
        "farm_id = 1\n[directory]\nurl = 'https://d.example'\n\
         [disks.A]\nkind = 'ssd'\n[disks.B]\nignore = true\n",
        "image",
    )
    .unwrap();
    let stick = Layer::from_toml("[disks.A]\nkind = 'hdd'\n", "farm.toml").unwrap();
    let layers = vec![(Origin::FarmToml, stick), (Origin::Image, image)];
    let effective = Effective::of(layers).unwrap();
    let words: Vec<(String, Origin)> = effective
        .settings
        .iter()
        .filter(|setting| setting.key == "disks")
        .map(|setting| (setting.value.clone(), setting.origin))
        .collect();
    assert_eq!(
        words,
        [
            ("A = hdd".to_owned(), Origin::FarmToml),
            ("B = ignore".to_owned(), Origin::Image),
        ]
    );
    let text = effective.config.to_toml();
    let again = NodeConfig::from_toml(&text, "image").unwrap();
    assert_eq!(again, effective.config);
    let other = Layer::from_toml("[disks.\"0xB\"]\nkind = 'hdd'\n", "farm.toml").unwrap();
    let image = Layer::from(&effective.config);
    let effective = Effective::of(vec![(Origin::Image, image), (Origin::FarmToml, other)]).unwrap();
    let names: Vec<&String> = effective.config.disks.keys().collect();
    assert_eq!(names, ["0xB", "A"], "one disk, one word");
    for wrong in ["[disks.A]\nkind = 'tape'\n", "[disks.A]\nsize = 3\n"] {
        let error = Layer::from_toml(wrong, "farm.toml").unwrap_err();
        assert!(error.to_string().contains("farm.toml"), "{error}");
    }
}

#[test]
fn an_enrolment_token_is_kept_and_never_shown() {
    let token = format!("fet1_{}", "A-_z".repeat(11).split_at(43).0);
    let text = format!(
        "farm_id = 1\nenrolment_token = \"{token}\"\n[directory]\nurl = \"https://d.example\"\n"
    );
    let layer = Layer::from_toml(&text, "image").unwrap();
    assert!(!format!("{layer:?}").contains(&token));
    let effective = Effective::of(vec![(Origin::Image, layer)]).unwrap();
    let setting = effective
        .settings
        .iter()
        .find(|setting| setting.key == "enrolment_token")
        .unwrap();
    assert_eq!(setting.value, "(hidden)");
    let config = effective.config;
    assert!(!format!("{config:?}").contains(&token));
    assert_eq!(config.enrolment_token.as_ref().unwrap().expose(), token);
    let toml = config.to_toml();
    assert!(toml.contains(&token));
    assert_eq!(NodeConfig::from_toml(&toml, "image").unwrap(), config);
    let shown = node_config::without_secrets(&toml);
    assert!(
        shown.contains("enrolment_token = \"fet1_(hidden)\"") && !shown.contains(&token),
        "{shown}"
    );

    // Nor when something is wrong with it, or with its line.
    for wrong in [
        text.replace(&token, &token[..47]),
        text.replace("\"fet1", "fet1"),
    ] {
        let error = NodeConfig::from_toml(&wrong, "farm.toml").unwrap_err();
        assert!(!error.to_string().contains(&token[5..40]), "{error}");
        assert!(error.to_string().contains("enrolment_token"), "{error}");
    }
}

/// The list of known settings is what a text with every setting has.
#[test]
fn the_list_of_keys_is_complete() {
    let text = "schema = 1\nfarm_id = 1\nenrolment_token = \"x\"\nrunmode = \"dev\"\ndebug = true\n\
        [directory]\nurl = \"https://d.example\"\nca = \"x\"\ninsecure_http = false\n\
        pin = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n\
        [network]\ndhcp = false\naddress = \"192.0.2.5/24\"\ngateway = \"192.0.2.1\"\n\
        dns = [\"192.0.2.53\"]\ninterface = \"eth0\"\nvlan = 10\n\
        [location]\ncontinent = \"E\"\ncountry = \"BE\"\ncity = \"G\"\nlatitude = 1.0\n\
        longitude = 2.0\n[disks.A]\nkind = \"ssd\"\n[disks.B]\nignore = true\n";
    let keys = node_config::Layer::from_toml(text, "test").unwrap().keys();
    assert_eq!(keys.join(" "), node_config::schema::KEYS);
}
