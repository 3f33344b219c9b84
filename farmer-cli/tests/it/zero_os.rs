//! `farmer image build --zos`: what is refused, and kernels that come from a web server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Farmer, Home};

fn kernel(home: &Home) -> std::path::PathBuf {
    let output = home.farmer(&["bootkit", "show", "-o", "json"]).run();
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Path::new(shown["path"].as_str().expect("a path")).join("kernel/vmlinuz")
}

fn build(home: &Home, zos: &str) -> Farmer {
    let out = home.path().join("zos.iso");
    home.farmer(&[
        "image",
        "build",
        "-o",
        "json",
        "--farm-id",
        "7",
        "--force",
        "--zos",
        zos,
    ])
    .arg("--out")
    .arg(out)
}

fn told(farmer: Farmer) -> Value {
    serde_json::from_slice(&farmer.run().stdout).expect("JSON")
}

#[test]
fn names_arguments_and_files_are_checked_before_anything_is_built() {
    let home = Home::new();
    let file = kernel(&home);
    let file = file.to_str().expect("UTF-8");
    let said = build(&home, file).args(&["--release", "v5"]).fails_with(2);
    assert!(said.contains("v2, v3, v3light or v4"), "{said}");
    let said = build(&home, file)
        .args(&["--network", "production"])
        .fails_with(2);
    assert!(said.contains("prod, test, dev or qa"), "{said}");
    let said = build(&home, file)
        .args(&["--kernel-arg", "farm_id=8"])
        .fails_with(2);
    assert!(said.contains("disable-gpu"), "{said}");
    let said = build(&home, file)
        .args(&["--kernel-arg", "farmer_id=8"])
        .fails_with(2);
    assert!(said.contains("--farm-id"), "{said}");
    build(&home, file)
        .args(&["--serial", "ttyS9"])
        .fails_with(2);
    build(&home, file)
        .args(&["--sha256", &"0".repeat(64)])
        .fails_with(3);
    build(&home, "/no/such.efi").fails_with(6);

    let bytes = fs::read(file).expect("kernel");
    let bad = home.path().join("bad.efi");
    let bad_text = bad.to_str().expect("UTF-8").to_owned();
    fs::write(&bad, &bytes[..bytes.len() / 2]).expect("cut");
    let said = build(&home, &bad_text).fails_with(1);
    assert!(said.contains("truncated"), "{said}");
    fs::write(&bad, b"MZ but nothing else").expect("file");
    let said = build(&home, &bad_text).fails_with(1);
    assert!(said.contains("is not a Linux kernel image"), "{said}");
    assert!(!home.path().join("zos.iso").exists());
}

#[test]
fn secure_boot_is_foretold_from_the_signature() {
    let home = Home::new();
    let file = kernel(&home);
    let dir = home.path();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .output()
            .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
        assert!(output.status.success(), "{program}: {output:?}");
    };
    let state = |name: &str| {
        let told = told(build(&home, dir.join(name).to_str().expect("UTF-8")));
        assert_eq!(told["payload"], "zero-os");
        told["secure_boot"].clone()
    };
    fs::copy(&file, dir.join("debian.efi")).expect("copied");
    let debian = state("debian.efi");
    assert_eq!(debian["state"], "accepted", "{debian}");
    fs::copy(&file, dir.join("bare.efi")).expect("copied");
    run("sbattach", &["--remove", "bare.efi"]);
    assert_eq!(state("bare.efi")["state"], "unsigned");
    let subject = "/O=Farm/CN=Key of a farm";
    run(
        "openssl",
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-out", "c", "-subj",
            subject,
        ],
    );
    run(
        "sbsign",
        &[
            "--key", "k", "--cert", "c", "--output", "own.efi", "bare.efi",
        ],
    );
    let own = state("own.efi");
    assert_eq!(own["state"], "unknown", "{own}");
    assert_eq!(own["signers"][0]["name"], "Key of a farm", "{own}");
    // Neither signature is for other bytes.
    for name in ["debian.efi", "own.efi"] {
        let mut bytes = fs::read(dir.join(name)).expect("kernel");
        bytes[3_000_000] ^= 1;
        fs::write(dir.join("altered.efi"), bytes).expect("written");
        assert_eq!(state("altered.efi")["state"], "altered", "{name}");
    }
}

#[test]
fn the_image_shows_its_system_and_farm() {
    let home = Home::new();
    let file = kernel(&home);
    let file = file.to_str().expect("UTF-8");
    let built = told(build(&home, file).args(&["--release", "v2", "--network", "dev"]));
    assert_eq!(built["kernel_arguments"], "runmode=dev farmer_id=7");
    let names: Vec<&str> = built["regions"]
        .as_array()
        .expect("regions")
        .iter()
        .map(|region| region["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["kargs-bios", "kargs-uefi", "defaults"]);
    let image = home.path().join("zos.iso");
    let output = home
        .farmer(&["image", "show", "-o", "json"])
        .arg(&image)
        .run();
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(shown["payload"], "zero-os");
    assert_eq!(shown["farm_id"], 7);
}

/// A web server that breaks the first transfer half-way. Returns its address and what it was asked.
fn breaking_server(content: Vec<u8>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/net/prod.efi",
        listener.local_addr().expect("address")
    );
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
            while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
            let header = |name: &str| {
                request
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            log.lock().expect("log").push(request.to_lowercase());
            let range = header("range: bytes=").and_then(|range| range.strip_suffix('-'));
            let from: usize = range.and_then(|from| from.parse().ok()).unwrap_or(0);
            let head = if header("if-none-match:") == Some("\"one\"") {
                "HTTP/1.1 304 Not Modified\r\nETag: \"one\"\r\n\r\n".to_owned()
            } else {
                let (status, length) = match from {
                    0 => ("200 OK", content.len()),
                    _ => ("206 Partial Content", content.len() - from),
                };
                let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
                format!(
                    "HTTP/1.1 {status}\r\nETag: \"one\"\r\nContent-Length: {length}\r\n\
                     Content-Range: {range}\r\nConnection: close\r\n\r\n"
                )
            };
            let _ = stream.write_all(head.as_bytes());
            if head.contains("304") {
                continue;
            }
            let end = if number == 0 {
                content.len() / 2
            } else {
                content.len()
            };
            let _ = stream.write_all(&content[from..end]);
        }
    });
    (url, asked)
}

#[test]
fn a_broken_download_is_taken_up_and_a_known_file_is_not_fetched_again() {
    let home = Home::new();
    let content = fs::read(kernel(&home)).expect("kernel");
    let (url, asked) = breaking_server(content);
    let cache = home.path().join("cache");
    // The bootkit comes from the real cache; only downloads have one of their own.
    fs::create_dir_all(cache.join("farmer")).expect("directory");
    let real = kernel(&home);
    let bootkits = real
        .ancestors()
        .nth(3)
        .expect("bootkits")
        .parent()
        .expect("cache");
    for name in ["bootkits", "apt"] {
        std::os::unix::fs::symlink(bootkits.join(name), cache.join("farmer").join(name))
            .expect("link");
    }
    let id = real
        .ancestors()
        .nth(2)
        .and_then(Path::file_name)
        .expect("id");
    let fetch = || {
        build(&home, &url)
            .env("XDG_CACHE_HOME", &cache)
            .arg("--bootkit")
            .arg(bootkits.join("bootkits").join(id))
    };
    let first = told(fetch());
    let requests = asked.lock().expect("log").clone();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(
        requests[1].contains("range: bytes=") && requests[1].contains("if-range: \"one\""),
        "{requests:?}"
    );
    let second = told(fetch());
    assert_eq!(first["sha256"], second["sha256"]);
    let requests = asked.lock().expect("log").clone();
    assert!(
        requests[2].contains("if-none-match: \"one\""),
        "{requests:?}"
    );
    let said = fetch().args(&["--sha256", &"1".repeat(64)]).fails_with(3);
    assert!(said.contains("has sha256"), "{said}");

    let said = build(&home, "http://boot.example/net/prod.efi").fails_with(5);
    assert!(
        said.contains("not encrypted") && said.contains("--insecure-http"),
        "{said}"
    );
    build(&home, "ftp://boot.example/x").fails_with(2);
    let left = fs::read_dir(cache.join("farmer/zos")).expect("directory");
    let parts = left
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|e| e == "part"));
    assert_eq!(parts.count(), 0, "a refused file was kept");
}

fn shown(home: &Home, image: &Path) -> Value {
    let output = home
        .farmer(&["image", "show", "-o", "json"])
        .arg(image)
        .run();
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn another_farm_and_argument_and_the_original_bytes_again() {
    let home = Home::new();
    let file = kernel(&home);
    told(build(&home, file.to_str().expect("UTF-8")));
    let image = home.path().join("zos.iso");
    let original = fs::read(&image).expect("image");
    let change = |command: &str, arguments: &[&str]| {
        let farmer = home.farmer(&["image", command, "--in-place"]);
        farmer.args(arguments).arg(&image)
    };
    change(
        "customize",
        &["--farm-id", "4294967295", "--karg-append", "missing-ssd"],
    )
    .run();
    let now = shown(&home, &image);
    assert_eq!(now["farm_id"], 4_294_967_295_u32, "{now:#}");
    // One text in each loader's configuration: both must say the same.
    let bytes = fs::read(&image).expect("image");
    let line = "version=v3 runmode=prod panic=7200 farmer_id=4294967295 missing-ssd";
    let count = bytes.windows(line.len()).filter(|w| *w == line.as_bytes());
    assert_eq!(count.count(), 2);
    home.farmer(&["image", "verify"]).arg(&image).run();
    // A directory is no setting of Zero-OS.
    change("customize", &["--directory", "https://dir.example"]).fails_with(5);
    assert_eq!(fs::read(&image).expect("image"), bytes);
    change("reset", &[]).run();
    assert!(fs::read(&image).expect("image") == original);
}

#[test]
fn papers_tell_of_the_zero_os_kernel_and_of_nothing_that_is_not_in_it() {
    let home = Home::new();
    let file = kernel(&home);
    told(build(&home, file.to_str().expect("UTF-8")).args(&["--with", "manifest,sbom"]));
    let paper = |name: &str| -> Value {
        let path = home.path().join(format!("zos.iso.{name}"));
        serde_json::from_slice(&fs::read(path).expect("a paper")).expect("JSON")
    };
    let manifest = paper("manifest.json");
    let sbom = paper("sbom.spdx.json");
    let names = |packages: &Value| -> Vec<String> {
        let packages = packages.as_array().expect("packages").iter();
        let names = packages.map(|package| package["name"].as_str().expect("a name").to_owned());
        names.collect()
    };
    let packages = names(&manifest["packages"]);
    assert!(packages.contains(&"shim-signed".to_owned()), "{packages:?}");
    let all = names(&sbom["packages"]);
    assert_eq!(all[..2], ["zos.iso", "zero-os"], "{all:?}");
    assert_eq!(all[2..], packages);
    assert!(
        !all.iter().any(|name| name.starts_with("linux-image")),
        "{all:?}"
    );
    let digest = Command::new("sha256sum")
        .arg(&file)
        .output()
        .expect("sha256sum");
    let digest = String::from_utf8(digest.stdout).expect("text");
    let listed = &sbom["packages"][1]["checksums"][0]["checksumValue"];
    assert!(
        digest.starts_with(listed.as_str().expect("a digest")),
        "{listed}"
    );
    assert_eq!(
        sbom["packages"][1]["versionInfo"],
        manifest["kernel_version"]
    );
}
