//! Debian's kernel, reduced to the drivers of the hardware that QEMU imitates, in a cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::run;

/// The package that depends on the current kernel.
const META_PACKAGE: &str = "linux-image-amd64";

/// Drivers, by the file name of the module: ways to a disk, kinds of disks, disks without hardware,
/// network cards, the rest. Those they depend on come along.
const DRIVERS: [&str; 5] = [
    "ahci ata_piix ata_generic nvme virtio_blk virtio_scsi megaraid_sas mptsas mptspi mpt3sas \
     sym53c8xx vmw_pvscsi usb-storage uas xhci-pci ehci-pci uhci-hcd sdhci-pci mmc_block nfit \
     nd_pmem virtio_pmem floppy",
    "sd_mod sr_mod sg ses st",
    "scsi_debug loop brd zram null_blk dm-mod dm-multipath dm-round-robin md-mod raid1",
    "virtio_net e1000 e1000e igb vmxnet3",
    "virtio_pci virtio_mmio virtio_rng efivarfs ipmi_si ipmi_devintf tpm_tis tpm_crb \
     crc32c_generic crc32c-intel ext4 vfat isofs nls_ascii nls_cp437",
];

/// An unpacked kernel.
pub(super) struct Kernel {
    /// Name and version of the Debian package.
    pub package: String,
    dir: PathBuf,
}

impl Kernel {
    /// The kernel from the cache, which is filled first where it has to be.
    pub(super) fn get() -> Result<Self> {
        let cache = cache_dir()?;
        std::fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
        let mut apt = Apt {
            cache: &cache,
            own_lists: false,
        };
        let (name, version) = match apt.resolve() {
            Ok(found) => found,
            // Nobody has fetched the host's lists yet, as in a fresh container.
            Err(_) => {
                apt.update()?;
                apt.resolve()?
            }
        };
        let package = format!("{name} {version}");
        // Another choice of drivers is another directory.
        let key = DRIVERS
            .join(" ")
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let dir = cache.join(format!("{name}_{version}_{key:016x}"));
        let kernel = Self { package, dir };
        if !kernel.image().is_file() {
            let fresh = tempfile::Builder::new()
                .prefix("unpacking-")
                .tempdir_in(&cache)?;
            if apt.download(&name, fresh.path()).is_err() {
                // The host's lists name a version that the mirror has replaced.
                apt.update()?;
                apt.download(&name, fresh.path())?;
            }
            let reduced = unpack(fresh.path())?;
            // Whoever is first wins; the other's work is the same and goes with its directory.
            if let Err(error) = std::fs::rename(&reduced, &kernel.dir)
                && !kernel.image().is_file()
            {
                return Err(error).context("keeping the unpacked kernel");
            }
        }
        Ok(kernel)
    }

    /// The bootable kernel.
    pub(super) fn image(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// A `lib/modules` with the drivers and the indices for `modprobe`.
    pub(super) fn modules(&self) -> PathBuf {
        self.dir.join("lib/modules")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test harness has no settings module to get the place of its cache from"
)]
fn cache_dir() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("farmer/qemu-lab"))
}

struct Apt<'a> {
    cache: &'a Path,
    /// Lists of packages in our cache instead of the host's, which only root may fetch.
    own_lists: bool,
}

impl Apt<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        if self.own_lists {
            for (option, place) in [
                ("Dir::State::lists", "apt/lists"),
                ("Dir::Cache::archives", "apt/archives"),
                ("Dir::Cache::pkgcache", "apt/pkgcache.bin"),
                ("Dir::Cache::srcpkgcache", "apt/srcpkgcache.bin"),
            ] {
                let place = self.cache.join(place);
                command
                    .arg("-o")
                    .arg(format!("{option}={}", place.display()));
            }
        }
        command
    }

    fn update(&mut self) -> Result<()> {
        self.own_lists = true;
        for dir in ["apt/lists/partial", "apt/archives/partial"] {
            std::fs::create_dir_all(self.cache.join(dir))?;
        }
        let mut command = self.command("apt-get");
        command.args(["-qq", "-o", "APT::Update::Error-Mode=any", "update"]);
        run(&mut command)
            .map(drop)
            .context("fetching lists of packages: the kernel of the guests is Debian's")
    }

    /// Name and version of the current kernel's package.
    fn resolve(&self) -> Result<(String, String)> {
        let depends = run(self.command("apt-cache").args(["depends", META_PACKAGE]))?;
        let name = depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with("linux-image-"))
            .with_context(|| format!("{META_PACKAGE} depends on no kernel: {depends}"))?;
        let shown = run(self
            .command("apt-cache")
            .args(["show", "--no-all-versions", name]))?;
        let version = shown
            .lines()
            .find_map(|line| line.strip_prefix("Version: "))
            .with_context(|| format!("apt offers no {name}"))?;
        Ok((name.to_owned(), version.to_owned()))
    }

    fn download(&self, name: &str, into: &Path) -> Result<()> {
        let mut command = self.command("apt-get");
        // As root, apt would hand the directory to its own user, who may not enter it.
        command.args(["-qq", "-o", "APT::Sandbox::User=root", "download", name]);
        run(command.current_dir(into)).map(drop)
    }
}

/// Unpacks the one package in `dir` and keeps the kernel and the drivers; returns where.
fn unpack(dir: &Path) -> Result<PathBuf> {
    let package = std::fs::read_dir(dir)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    let all = dir.join("all");
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&all))?;
    let boot = std::fs::read_dir(all.join("boot"))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| name.starts_with("vmlinuz-"))
        .context("the package has no kernel")?;
    let release = boot.trim_start_matches("vmlinuz-").to_owned();
    let depmod =
        |base: &Path| run(Command::new("depmod").arg("-b").arg(base).arg(&release)).map(drop);
    // Where /lib is a link on the host, packages of that release still carry a plain one.
    let from = ["lib/modules", "usr/lib/modules"]
        .map(|place| all.join(place).join(&release))
        .into_iter()
        .find(|path| path.is_dir())
        .context("the package has no modules")?;
    if !all.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", all.join("lib"))?;
    }
    depmod(&all)?;
    let read = |name: &str| std::fs::read_to_string(from.join(name));
    let wanted = with_dependencies(&read("modules.dep")?, &read("modules.builtin")?)?;

    let reduced = dir.join("reduced");
    let to = reduced.join("lib/modules").join(&release);
    for path in wanted.iter().map(String::as_str).chain([
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ]) {
        let target = to.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(from.join(path), target).with_context(|| format!("copying {path}"))?;
    }
    depmod(&reduced)?;
    std::fs::rename(all.join("boot").join(boot), reduced.join("vmlinuz"))?;
    Ok(reduced)
}

/// The files of all drivers and of what they depend on, by `modules.dep`. Its names may end in
/// `.ko` or a compressed form of it, which busybox reads too.
/// Drivers that are part of the kernel itself are there anyway.
fn with_dependencies(modules_dep: &str, builtin: &str) -> Result<BTreeSet<String>> {
    let plain = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split(".ko").next().unwrap_or(file).replace('-', "_")
    };
    let mut lines = BTreeMap::new();
    for line in modules_dep.lines() {
        if let Some((module, dependencies)) = line.split_once(':') {
            lines.insert(plain(module), (module, dependencies));
        }
    }
    let builtin: BTreeSet<String> = builtin.lines().map(plain).collect();
    let mut wanted = BTreeSet::new();
    let mut missing = Vec::new();
    for driver in DRIVERS.iter().flat_map(|group| group.split_whitespace()) {
        let name = driver.replace('-', "_");
        match lines.get(&name) {
            Some((module, dependencies)) => {
                wanted.insert((*module).to_owned());
                wanted.extend(dependencies.split_whitespace().map(str::to_owned));
            }
            None if builtin.contains(&name) => {}
            None => missing.push(driver),
        }
    }
    if !missing.is_empty() {
        bail!("Debian's kernel has no module {}", missing.join(", "));
    }
    Ok(wanted)
}
