//! The script of thin media, followed on machines where this or that goes wrong.

use std::net::Ipv4Addr;

use image_builder::formats::timestamp::Timestamp;
use image_builder::ipxe::{Capabilities, End, Kind, Settings, Trace, trace};
use image_builder::medium::thin::{Fixed, ScriptFacts, Source, ThinBoot};

fn boot() -> ThinBoot {
    ThinBoot {
        title: "Farm 9, thin".into(),
        source: Source::Bundle(vec![
            "http://192.0.2.1/a/".into(),
            "http://192.0.2.2/b".into(),
        ]),
        fixed: None,
        vlan: None,
        arguments: vec!["farmer_id=9".into(), "quiet".into()],
        made: Some(Timestamp(1_795_000_000)),
    }
}

fn newer() -> Capabilities {
    Capabilities::of_version(Kind::Lkrn, "1.21.1+git20250501.dad20602+dfsg-1")
}

fn oldest() -> Capabilities {
    Capabilities::oldest(Kind::Lkrn)
}

/// The machine has two ports, and nobody presses a key.
fn machine() -> Settings {
    machine_on(&oldest())
}

fn machine_on(binary: &Capabilities) -> Settings {
    let mut machine = Settings::new().on(binary);
    for (name, value) in [
        ("net0/mac", "52:54:00:00:00:01"),
        ("net1/mac", "52:54:00:00:00:02"),
    ] {
        machine.set(name, value).expect("a setting");
    }
    let prompt = "prompt --key 0x6c --timeout 3000 Press l to start from the local disk";
    machine.failing(prompt)
}

fn ran(trace: &Trace, command: &str) -> usize {
    let all = trace.steps.iter().map(|step| step.words.join(" "));
    all.filter(|words| words == command).count()
}

#[test]
fn the_first_source_on_the_first_port_is_taken() {
    let script = boot().script(&[&oldest()]).expect("a script");
    let trace = trace(&script, &machine());
    assert!(matches!(trace.end, End::HandedOver(_)), "{trace:?}");
    assert_eq!(ran(&trace, "chain http://192.0.2.1/a/boot.ipxe"), 1);
    assert_eq!(ran(&trace, "ifconf --configurator dhcp net1"), 0);
}

#[test]
fn a_failing_source_leads_to_the_next_and_a_dead_port_to_the_next() {
    let script = boot().script(&[&oldest()]).expect("a script");
    let failing = machine().failing("chain http://192.0.2.1/a/boot.ipxe");
    let trace_1 = trace(&script, &failing);
    assert!(matches!(trace_1.end, End::HandedOver(_)));
    assert_eq!(ran(&trace_1, "chain http://192.0.2.2/b/boot.ipxe"), 1);
    assert!(
        trace_1
            .console
            .contains("Could not be fetched or started: http://192.0.2.1/a/boot.ipxe\n")
    );

    let failing = machine().failing("ifconf --configurator dhcp net0");
    let trace_2 = trace(&script, &failing);
    assert!(matches!(trace_2.end, End::HandedOver(_)));
    assert!(
        trace_2
            .console
            .contains("Port 0 (52:54:00:00:00:01): no address.")
    );
    assert!(
        trace_2
            .console
            .contains("Port 1: fetching http://192.0.2.1/a/boot.ipxe\n")
    );
}

#[test]
fn after_three_rounds_it_says_so_and_starts_anew() {
    let script = boot().script(&[&oldest()]).expect("a script");
    let trace = trace(&script, &machine().failing("chain"));
    assert_eq!(ran(&trace, "chain http://192.0.2.2/b/boot.ipxe"), 6);
    assert!(
        trace
            .console
            .contains("Round 3 of 3 failed.\nNot booted: nothing could be fetched")
    );
    let last = trace.steps.last().map(|step| step.words.join(" "));
    assert_eq!(last.as_deref(), Some("reboot"));
}

#[test]
fn without_a_port_it_says_so() {
    let script = boot().script(&[&oldest()]).expect("a script");
    let prompt = "prompt --key 0x6c --timeout 3000 Press l to start from the local disk";
    let trace = trace(&script, &Settings::new().on(&oldest()).failing(prompt));
    assert!(
        trace.console.contains("There is no network port"),
        "{}",
        trace.console
    );
}

#[test]
fn a_key_leads_to_the_local_disk_by_the_firmwares_rule() {
    let pressed = |kind| {
        let binary = Capabilities::oldest(kind);
        let script = boot().script(&[&binary]).expect("a script");
        trace(&script, &Settings::new().on(&binary))
    };
    assert_eq!(
        ran(&pressed(Kind::Lkrn), "sanboot --no-describe --drive 0x80"),
        1
    );
    assert_eq!(pressed(Kind::EfiX64).end, End::Exit(1));
}

#[test]
fn what_the_binary_cannot_do_is_refused_with_the_reason() {
    let mut thin = boot();
    thin.source = Source::Bundle(vec!["https://192.0.2.1/a".into()]);
    let error = thin.script(&[&oldest()]).expect_err("no https");
    let text = error.to_string();
    assert!(text.contains("cannot fetch over https"), "{text}");
    assert!(thin.script(&[&newer()]).is_ok());
    // All that will run it must take it.
    assert!(thin.script(&[&newer(), &oldest()]).is_err());
    for address in ["http://a/${x}", "nonsense", "http://a/b c"] {
        thin.source = Source::Bundle(vec![address.into()]);
        assert!(thin.script(&[&newer()]).is_err(), "{address}");
    }
}

#[test]
fn zero_os_gets_its_arguments_and_a_fixed_address_its_settings() {
    let thin = ThinBoot {
        source: Source::ZeroOs(vec!["http://192.0.2.1/zos.efi".into()]),
        arguments: vec!["runmode=prod".into(), "farmer_id=9".into()],
        fixed: Some(Fixed {
            address: Ipv4Addr::new(192, 0, 2, 9),
            netmask: Ipv4Addr::new(255, 255, 255, 0),
            gateway: Some(Ipv4Addr::new(192, 0, 2, 254)),
            dns: None,
        }),
        ..boot()
    };
    let script = thin.script(&[&oldest()]).expect("a script");
    let trace = trace(&script, &machine());
    let kernel = "kernel --name zos http://192.0.2.1/zos.efi runmode=prod farmer_id=9";
    assert_eq!(ran(&trace, kernel), 1);
    assert_eq!(ran(&trace, "set net0/ip 192.0.2.9"), 1);
    assert_eq!(ran(&trace, "set net0/gateway 192.0.2.254"), 1);
    assert!(matches!(trace.end, End::HandedOver(_)));
}

#[test]
fn what_is_fetched_gets_the_farms_arguments_and_only_a_medium_names_itself() {
    let script = boot().script(&[&oldest()]).expect("a script");
    assert!(
        script.contains("\nset farmer-args farmer_id=9 quiet\n"),
        "{script}"
    );
    assert!(!script.contains("farm.medium"), "{script}");
    let facts = ScriptFacts::of(&script);
    assert_eq!(facts.arguments, "farmer_id=9 quiet");
    let fetches = [
        "http://192.0.2.1/a/boot.ipxe",
        "http://192.0.2.2/b/boot.ipxe",
    ];
    assert_eq!(facts.fetches, fetches);
}

#[test]
fn a_vlan_is_made_on_every_port_and_needs_a_binary_that_can() {
    let thin = ThinBoot {
        vlan: Some(12),
        ..boot()
    };
    let error = thin.script(&[&oldest()]).expect_err("no vcreate");
    assert!(error.to_string().contains("vcreate is not in"), "{error}");
    let script = thin.script(&[&newer()]).expect("a script");
    let dead = machine_on(&newer()).failing("ifconf --configurator dhcp net0-12");
    let trace = trace(&script, &dead);
    assert_eq!(ran(&trace, "vcreate --tag 12 net0"), 1);
    assert_eq!(ran(&trace, "vdestroy net0-12"), 1);
    assert_eq!(ran(&trace, "ifconf --configurator dhcp net1-12"), 1);
    for vlan in [0, 4095] {
        let thin = ThinBoot {
            vlan: Some(vlan),
            ..boot()
        };
        assert!(thin.script(&[&newer()]).is_err(), "{vlan}");
    }
}

#[test]
fn after_a_failed_https_address_it_speaks_of_authority_and_clock() {
    let thin = ThinBoot {
        source: Source::Bundle(vec![
            "https://192.0.2.1/a".into(),
            "http://192.0.2.2/b".into(),
        ]),
        ..boot()
    };
    let script = thin.script(&[&newer()]).expect("a script");
    let mut machine = machine_on(&newer()).failing("chain https://192.0.2.1/a/boot.ipxe");
    machine
        .set("unixtime:int32", "915148800")
        .expect("a setting");
    let trace = trace(&script, &machine);
    let said = "does not know its authority, or the clock is wrong.\n\
                The clock says 915148800 s since 1970; right is more than 1795000000 s.\n";
    assert!(trace.console.contains(said), "{}", trace.console);
    assert_eq!(ran(&trace, "chain http://192.0.2.2/b/boot.ipxe"), 1);
}
