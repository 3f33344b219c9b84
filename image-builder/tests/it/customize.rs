//! Changing finished images: exactly the regions, both boot paths at once, back to the original.

use std::io::Cursor;

use image_builder::content::sha256;
use image_builder::customize::{
    self, ARGUMENTS_LIMIT, CustomizeError, Edit, Request, Warning, in_place,
};
use image_builder::emit::{self, EmitOptions};
use image_builder::medium::Plan;
use image_builder::payload::{CONFIG_REGION_BYTES, ConfigFile, config_cpio};
use image_builder::regions::{self, FARM_TOML_BYTES};
use image_builder::rope::SourceFile;
use node_config::system::SETTINGS_FILE;
use node_config::{DirectoryConfig, Layer, NodeConfig};

use crate::support::{arg, bytes, medium, run, write};

pub fn node_config(farm_id: u64) -> NodeConfig {
    let directory = DirectoryConfig {
        url: "https://dir.example/explorer".parse().expect("URL"),
        pin: None,
        ca_pem: None,
        insecure_http: false,
    };
    NodeConfig::new(farm_id.try_into().expect("farm id"), directory)
}

/// A medium as `farmer image build` makes it for a farm, without arguments.
pub fn built(config: &NodeConfig) -> Plan {
    let toml = config.to_toml();
    let file = ConfigFile {
        path: SETTINGS_FILE,
        content: toml.as_bytes(),
        mode: 0o600,
    };
    let mut medium = medium(1, 10_000);
    medium.config = config_cpio(&[file], CONFIG_REGION_BYTES).expect("archive");
    medium.kernel_arguments = String::new();
    medium.farm_toml = "# nothing set\n".to_owned();
    medium.plan().expect("plan")
}

pub fn farm(farm_id: u64) -> Request {
    let mut request = Request::default();
    request.settings.set.farm_id = Some(farm_id.try_into().expect("farm id"));
    request
}

fn arguments(append: &str) -> Request {
    let mut request = Request::default();
    request.arguments.append = vec![append.to_owned()];
    request
}

fn farm_toml(text: &str) -> Request {
    Request {
        farm_toml: Some(text.to_owned()),
        ..Request::default()
    }
}

fn plan(image: &[u8], request: &Request) -> Result<Edit, CustomizeError> {
    customize::plan(&mut Cursor::new(image), request)
}

fn apply(image: &mut [u8], edit: &Edit) {
    for write in &edit.writes {
        let place = &mut image[write.offset as usize..][..write.after.len()];
        assert!(place == write.before, "{}", write.name);
        place.copy_from_slice(&write.after);
    }
}

fn region<'a>(plan: &Plan, image: &'a [u8], name: &str) -> &'a [u8] {
    let span = plan.regions.get(name).expect("region").span;
    &image[span.offset as usize..][..span.length as usize]
}

#[test]
fn a_customised_image_is_the_one_built_for_that_farm() {
    let plan_1 = built(&node_config(1));
    let mut image = bytes(&plan_1);
    let other = bytes(&built(&node_config(4_294_967_295)));
    let edit = plan(&image, &farm(4_294_967_295)).expect("planned");
    assert!(edit.warnings.is_empty(), "{:?}", edit.warnings);
    apply(&mut image, &edit);
    // What it was built with stays, for `reset`.
    let defaults = plan_1.regions.defaults;
    let differs = |at: &usize| image[*at] != other[*at];
    let differing: Vec<usize> = (0..image.len()).filter(differs).collect();
    assert!(!differing.is_empty());
    assert!(differing.iter().all(|at| defaults.contains(*at as u64)));
}

#[test]
fn an_enrolment_token_is_set_and_never_shown() {
    let token = format!("fet1_{}", "A".repeat(43));
    let mut image = bytes(&built(&node_config(1)));
    let mut request = Request::default();
    request.settings.set.enrolment_token = Some(node_config::EnrolmentToken::new(&token));
    let edit = plan(&image, &request).expect("planned");
    apply(&mut image, &edit);
    assert!(
        image.windows(token.len()).any(|at| at == token.as_bytes()),
        "the node finds it"
    );
    let shown = image_builder::show::describe(&mut Cursor::new(&image)).expect("described");
    let json = serde_json::to_string(&shown).expect("JSON");
    assert!(!json.contains(&token), "{json}");
    let setting = shown.settings.iter().find(|s| s.key == "enrolment_token");
    assert_eq!(setting.map(|s| s.value.as_str()), Some("(hidden)"));

    // It is of this farm only.
    let edit = plan(&image, &farm(2)).expect("planned");
    apply(&mut image, &edit);
    let holds = |image: &[u8]| image.windows(token.len()).any(|at| at == token.as_bytes());
    assert!(!holds(&image), "another farm's token");
}

#[test]
fn nothing_but_the_regions_changes_and_both_paths_change_at_once() {
    let planned = built(&node_config(1));
    let original = bytes(&planned);
    let mut request = farm(2);
    request.settings.set.debug = Some(true);
    request.arguments.append = vec!["farmer_id=9 console=ttyS1,115200".to_owned()];
    request.farm_toml = Some("[network]\ndhcp = true\n".to_owned());
    let edit = plan(&original, &request).expect("planned");
    let names: Vec<&str> = edit.writes.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["config", "kargs-bios", "kargs-uefi", "farm-toml"]);
    // An argument beats the settings: the farmer is told.
    assert!(
        matches!(&edit.warnings[..], [Warning::Overruled { key, value, .. }] if key == "farm_id" && value == "9"),
        "{:?}",
        edit.warnings
    );
    let mut image = original.clone();
    apply(&mut image, &edit);
    let regions: Vec<_> = planned.regions.regions.iter().map(|r| r.span).collect();
    for at in (0..image.len()).filter(|at| image[*at] != original[*at]) {
        assert!(
            regions.iter().any(|span| span.contains(at as u64)),
            "byte {at} lies in no region"
        );
    }
    for name in [regions::KARGS_BIOS, regions::KARGS_UEFI] {
        let line = regions::decode_kargs(region(&planned, &image, name)).expect("arguments");
        assert_eq!(line, "farmer_id=9 console=ttyS1,115200");
    }
    // Deleting what was added gives the old region back, byte for byte.
    let mut back = Request::default();
    back.arguments.delete = vec!["farmer_id=9".to_owned(), "console=ttyS1,115200".to_owned()];
    let edit = plan(&image, &back).expect("planned");
    apply(&mut image, &edit);
    assert!(
        region(&planned, &image, regions::KARGS_UEFI)
            == region(&planned, &original, regions::KARGS_UEFI)
    );
}

#[test]
fn reset_gives_the_freshly_built_image() {
    let original = bytes(&built(&node_config(1)));
    let mut image = original.clone();
    let mut request = farm(2);
    request.arguments.append = vec!["debug".to_owned()];
    request.farm_toml = Some("farm_id = 3\n".to_owned());
    let edit = plan(&image, &request).expect("planned");
    apply(&mut image, &edit);
    assert_ne!(sha256(&image), sha256(&original));
    let edit = customize::reset(&mut Cursor::new(&image), false).expect("planned");
    apply(&mut image, &edit);
    assert_eq!(sha256(&image), sha256(&original));
    let again = customize::reset(&mut Cursor::new(&image), false).expect("planned");
    assert!(again.writes.is_empty());
}

#[test]
fn reset_needs_sound_copies_of_the_originals() {
    let planned = built(&node_config(1));
    let mut image = bytes(&planned);
    let copy = planned
        .regions
        .get(regions::CONFIG)
        .expect("config")
        .default_offset;
    image[copy as usize + 3] ^= 1;
    let error = customize::reset(&mut Cursor::new(&image), true).expect_err("refused");
    assert!(
        matches!(&error, CustomizeError::DefaultsDamaged { name } if name == "config"),
        "{error}"
    );
}

#[test]
fn copies_that_disagree_are_shown_and_resolved_by_name_or_force() {
    let planned = built(&node_config(1));
    let mut image = bytes(&planned);
    let at = planned
        .regions
        .get(regions::KARGS_UEFI)
        .expect("region")
        .span
        .offset as usize;
    let other = regions::encode_kargs_uefi("vga=1").expect("encoded");
    image[at..at + other.len()].copy_from_slice(&other);
    let error = plan(&image, &farm(2)).expect_err("refused");
    let said = error.to_string();
    assert!(
        said.contains("BIOS: \"\"") && said.contains("UEFI: \"vga=1\""),
        "{said}"
    );
    assert!(error.hint().is_some());

    let mut named = arguments("debug");
    named.arguments.replace = Some("vga=2".to_owned());
    let mut forced = farm(2);
    forced.force = true;
    for (request, expected) in [(named, "vga=2 debug"), (forced, "")] {
        let mut image = image.clone();
        let edit = plan(&image, &request).expect("resolved");
        apply(&mut image, &edit);
        for name in [regions::KARGS_BIOS, regions::KARGS_UEFI] {
            let line = regions::decode_kargs(region(&planned, &image, name)).expect("arguments");
            assert_eq!(line, expected);
        }
    }
    // A damaged area counts as another value.
    image[at] = b'#';
    let said = plan(&image, &farm(2)).expect_err("refused").to_string();
    assert!(said.contains("UEFI: (damaged)"), "{said}");
}

#[test]
fn limits_are_exact_and_say_by_how_much() {
    let image = bytes(&built(&node_config(1)));
    let longest = "x".repeat(ARGUMENTS_LIMIT);
    assert_eq!(
        plan(&image, &arguments(&longest))
            .expect("fits")
            .writes
            .len(),
        2
    );
    let said = plan(&image, &arguments(&format!("{longest}yy")))
        .expect_err("too long")
        .to_string();
    assert!(
        said.contains("2 too many") && said.contains("1700"),
        "{said}"
    );

    let toml = |length: usize| {
        plan(
            &image,
            &farm_toml(&format!("#{}\n", "x".repeat(length - 2))),
        )
    };
    assert_eq!(toml(FARM_TOML_BYTES).expect("fits").writes.len(), 1);
    let said = toml(FARM_TOML_BYTES + 1).expect_err("too long").to_string();
    assert!(said.contains("1 more than the region's 4096"), "{said}");

    let ca = |length: usize| {
        let mut request = Request::default();
        request.settings.set.directory.ca = Some("x".repeat(length));
        plan(&image, &request)
    };
    let most = (1..CONFIG_REGION_BYTES)
        .rev()
        .find(|length| ca(*length).is_ok());
    let most = most.expect("some length fits");
    assert!(most > CONFIG_REGION_BYTES - 1024, "{most}");
    let said = ca(most + 4).expect_err("too long").to_string();
    assert!(said.contains("4 more than the region's 65536"), "{said}");
}

#[test]
fn what_the_node_does_not_know_is_refused() {
    let mut medium = medium(1, 1000);
    medium.payload.config_keys.retain(|key| key != "debug");
    let image = bytes(&medium.plan().expect("plan"));
    let mut request = Request::default();
    request.settings.replace = Some(Layer::from(&node_config(5)));
    let error = plan(&image, &request).expect_err("refused");
    assert!(
        matches!(&error, CustomizeError::UnknownKey { key, .. } if key == "debug"),
        "{error}"
    );
    let mut request = farm_toml("debug = true\n");
    assert!(matches!(
        plan(&image, &request),
        Err(CustomizeError::UnknownKey { .. })
    ));
    request.farm_toml = Some("no_such_key = 1\n".to_owned());
    assert!(matches!(
        plan(&image, &request),
        Err(CustomizeError::Config(_))
    ));
}

#[test]
fn arguments_that_could_run_something_else_or_break_quoting_are_refused() {
    let image = bytes(&built(&node_config(1)));
    for bad in [
        "init=/bin/sh",
        "rdinit=/x",
        "--",
        "sysctl.kernel.core_pattern=|/x",
    ] {
        let error = plan(&image, &arguments(bad)).expect_err("refused");
        assert!(
            matches!(error, CustomizeError::ForbiddenArgument { .. }),
            "{bad}: {error}"
        );
    }
    for bad in [
        "a='b'", "a=\"b", "a=$x", "a;b", "a\\b", "#", "a`b`", "a\u{e9}",
    ] {
        let error = plan(&image, &arguments(bad)).expect_err("refused");
        assert!(matches!(error, CustomizeError::Region(_)), "{bad}: {error}");
    }
}

#[test]
fn another_directory_brings_its_own_trust() {
    let mut config = node_config(1);
    let pin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    config.directory.pin = Some(pin.parse().expect("pin"));
    let image = bytes(&built(&config));
    let mut request = Request::default();
    request.settings.set.directory.url = Some("https://other.example".parse().expect("URL"));
    let edit = plan(&image, &request).expect("planned");
    let (before, after) = edit.writes[0].texts();
    assert!(before.expect("text").contains(pin));
    assert!(!after.expect("text").contains(pin));
    request.settings.set.directory.url = Some("http://other.example".parse().expect("URL"));
    assert!(matches!(
        plan(&image, &request),
        Err(CustomizeError::Config(_))
    ));
    request.settings.set.directory.insecure_http = Some(true);
    plan(&image, &request).expect("allowed");
}

#[test]
fn in_place_a_copy_and_a_stream_are_the_same_bytes() {
    let directory = tempfile::tempdir().expect("directory");
    let path = |name: &str| directory.path().join(name);
    write(&built(&node_config(1)), &path("in-place.iso"));
    std::fs::copy(path("in-place.iso"), path("original.iso")).expect("copied");
    let mut request = farm(77);
    request.arguments.append = vec!["debug".to_owned()];

    let mut file = in_place::open(&path("in-place.iso")).expect("opened");
    assert!(
        matches!(
            in_place::open(&path("in-place.iso")),
            Err(CustomizeError::Busy { .. })
        ),
        "a second writer"
    );
    let edit = customize::plan(&mut file, &request).expect("planned");
    in_place::apply(&file, &edit).expect("written");
    assert!(
        matches!(
            in_place::apply(&file, &edit),
            Err(CustomizeError::Changed { .. })
        ),
        "the same edit twice"
    );
    drop(file);

    let source = SourceFile::open_medium(path("original.iso")).expect("opened");
    let edit = customize::plan(&mut source.file(), &request).expect("planned");
    let layout = edit.layout(&source).expect("layout");
    let options = EmitOptions {
        digest: false,
        ..EmitOptions::default()
    };
    emit::to_file(&layout, &path("copy.iso"), options, &mut |_| {}).expect("copied");
    let mut stream = Vec::new();
    emit::to_writer(&layout, &mut stream, false, &mut |_| {}).expect("streamed");
    let in_place = std::fs::read(path("in-place.iso")).expect("read");
    assert!(in_place == stream);
    assert!(in_place == std::fs::read(path("copy.iso")).expect("read"));
    assert!(in_place != std::fs::read(path("original.iso")).expect("read"));
}

#[test]
fn a_farm_toml_its_owner_replaced_is_left_alone() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("node.iso");
    let planned = built(&node_config(1));
    write(&planned, &path);
    let toml = directory.path().join("farm.toml");
    std::fs::write(&toml, "farm_id = 13\n").expect("farm.toml");
    let partition = format!("{}@@{}", arg(&path), planned.farmcfg.offset);
    run(
        "mcopy",
        &["-o", "-i", &partition, arg(&toml), "::farm.toml"],
    );
    let image = std::fs::read(&path).expect("read");

    let request = farm_toml("farm_id = 14\n");
    assert!(matches!(
        plan(&image, &request),
        Err(CustomizeError::FarmTomlMoved)
    ));
    let edit = plan(&image, &farm(2)).expect("other regions can be changed");
    assert!(
        matches!(&edit.warnings[..], [Warning::Overruled { value, .. }] if value == "13"),
        "{:?}",
        edit.warnings
    );
    let reset = |force| customize::reset(&mut Cursor::new(&image), force);
    assert!(matches!(reset(false), Err(CustomizeError::FarmTomlMoved)));
    let edit = reset(true).expect("forced");
    assert_eq!(edit.warnings, [Warning::FarmTomlKept]);
    assert!(edit.writes.is_empty());
}

#[test]
fn foreign_images_are_refused() {
    let error = plan(&vec![0; 1 << 20], &farm(1)).expect_err("refused");
    assert!(matches!(error, CustomizeError::NotOurs), "{error}");
}
