//! Firmware tables in every form, and broken in every way the loader must survive. The tables are
//! built here, structure by structure (DMTF DSP0134).

use hw_probe::inventory::{CpuSource, Inventory};
use hw_probe::root::Root;
use hw_probe::smbios::{self, SmbiosError};
use hw_probe::units::{Bytes, GIB, KIB, MIB};
use hw_probe::{ProbeOptions, probe};
use proptest::prelude::*;

/// One structure: type, formatted bytes behind the header, strings.
pub fn structure(kind: u8, handle: u16, body: &[u8], strings: &[&str]) -> Vec<u8> {
    let mut out = vec![kind, u8::try_from(body.len() + 4).unwrap()];
    out.extend_from_slice(&handle.to_le_bytes());
    out.extend_from_slice(body);
    for string in strings {
        out.extend_from_slice(string.as_bytes());
        out.push(0);
    }
    if strings.is_empty() {
        out.push(0);
    }
    out.push(0);
    out
}

/// Type 17 with its size field, extended size, array handle and memory type.
fn module(handle: u16, array: u16, size: u16, extended_mib: u32, kind: u8, slot: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&array.to_le_bytes());
    body.extend_from_slice(&[0xfe, 0xff]); // no error information
    body.extend_from_slice(&72_u16.to_le_bytes());
    body.extend_from_slice(&64_u16.to_le_bytes());
    body.extend_from_slice(&size.to_le_bytes());
    body.extend_from_slice(&[9, 0, 1, 0, kind, 0, 0]); // DIMM; slot is string 1
    body.extend_from_slice(&3200_u16.to_le_bytes());
    body.extend_from_slice(&[2, 3, 0, 4, 0]); // maker, serial, asset tag, part, rank
    body.extend_from_slice(&extended_mib.to_le_bytes());
    body.extend_from_slice(&2933_u16.to_le_bytes());
    structure(17, handle, &body, &[slot, "Maker", "S/N 1", "Part   "])
}

fn array(handle: u16, used_for: u8, ecc: u8) -> Vec<u8> {
    let mut body = vec![3, used_for, ecc];
    body.extend_from_slice(&[0, 0, 0, 0, 0xfe, 0xff, 8, 0]);
    structure(16, handle, &body, &[])
}

fn processor(handle: u16, populated: bool, cores: u8, threads: u8) -> Vec<u8> {
    let mut body = vec![0_u8; 0x28 - 4];
    body[0x05 - 4] = 3;
    body[0x07 - 4] = 1;
    body[0x10 - 4] = 2;
    body[0x18 - 4] = if populated { 0x41 } else { 0 };
    body[0x23 - 4] = cores;
    body[0x24 - 4] = cores;
    body[0x25 - 4] = threads;
    structure(4, handle, &body, &["Maker", "Processor 9000"])
}

fn system(product: &str) -> Vec<u8> {
    let mut body = vec![1, 2, 0, 3];
    body.extend_from_slice(&[
        0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
        0xff,
    ]);
    body.extend_from_slice(&[6, 0, 0]);
    structure(1, 1, &body, &["Maker", product, "To Be Filled By O.E.M."])
}

fn end() -> Vec<u8> {
    structure(127, 0xfeff, &[], &[])
}

fn server() -> Vec<u8> {
    [
        system("Server"),
        processor(0x40, true, 16, 32),
        processor(0x41, true, 16, 32),
        processor(0x42, false, 0, 0),
        array(0x10, 3, 6),
        module(0x20, 0x10, 0x4000, 0, 0x1a, "A1"),
        module(0x21, 0x10, 0x7fff, 64 * 1024, 0x1a, "A2"),
        module(0x22, 0x10, 0, 0, 2, "A3"),
        end(),
    ]
    .concat()
}

fn entry_64(address: u64, table: &[u8]) -> Vec<u8> {
    let mut out = b"_SM3_".to_vec();
    out.extend_from_slice(&[0, 24, 3, 2, 0, 1, 0]);
    out.extend_from_slice(&u32::try_from(table.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&address.to_le_bytes());
    let sum = out.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    out[5] = sum.wrapping_neg();
    out
}

fn entry_32(address: u32, table: &[u8]) -> Vec<u8> {
    let mut out = b"_SM_".to_vec();
    out.extend_from_slice(&[0, 31, 2, 8, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(b"_DMI_");
    out.push(0);
    out.extend_from_slice(&u16::try_from(table.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&address.to_le_bytes());
    out.extend_from_slice(&[9, 0, 0x28]);
    out
}

fn padded(mut entry: Vec<u8>, offset: usize, table: &[u8]) -> Vec<u8> {
    entry.resize(offset, 0);
    entry.extend_from_slice(table);
    entry
}

fn read(table: &[u8]) -> Inventory {
    let options = ProbeOptions {
        smbios: Some(table.to_vec()),
        ..ProbeOptions::default()
    };
    probe(&Root::empty(), &options)
}

#[test]
fn a_server_is_understood() {
    let inventory = read(&server());
    let memory = &inventory.memory;
    assert_eq!(memory.installed_bytes, Some(Bytes(80 * GIB)));
    assert!(!memory.installed_is_lower_bound);
    assert_eq!(
        (memory.slots, memory.ecc.as_deref()),
        (Some(3), Some("multi-bit"))
    );
    let dimm = &memory.dimms[1];
    assert_eq!(dimm.size_bytes, Some(Bytes(64 * GIB)));
    assert_eq!(
        (dimm.kind.as_deref(), dimm.speed_mts, dimm.ecc),
        (Some("DDR4"), Some(2933), Some(true))
    );
    assert_eq!(dimm.slot.as_ref().unwrap().raw(), "A2");
    assert_eq!(dimm.part_number.as_ref().unwrap().raw(), "Part");
    assert_eq!(memory.dimms[2].size_bytes, Some(Bytes(0)));
    let cpu = &inventory.cpu;
    assert_eq!(
        (cpu.sockets, cpu.cores, cpu.logical),
        (Some(2), Some(32), Some(64))
    );
    assert_eq!(cpu.source, Some(CpuSource::Smbios));
    assert_eq!(inventory.system.product.as_ref().unwrap().raw(), "Server");
    assert_eq!(
        inventory.system.serial, None,
        "a filler is no serial number"
    );
    assert_eq!(
        inventory.system.uuid.as_ref().unwrap().raw(),
        "00112233-4455-6677-8899-aabbccddeeff"
    );
}

/// The tables of these tests are written by the same hands as the decoder; dmidecode is not.
#[test]
fn dmidecode_reads_the_same_table_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dump.bin");
    std::fs::write(&file, padded(entry_64(0x20, &server()), 0x20, &server())).unwrap();
    let output = std::process::Command::new("dmidecode")
        .arg("--from-dump")
        .arg(&file)
        .output()
        .expect("dmidecode is installed (scripts/test says which tools the tests need)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |line: &str| text.lines().filter(|l| l.trim() == line).count();
    assert_eq!(count("Size: 16 GB"), 1, "{text}");
    assert_eq!(count("Size: 64 GB"), 1, "{text}");
    assert_eq!(count("Size: No Module Installed"), 1, "{text}");
    assert_eq!(count("Error Correction Type: Multi-bit ECC"), 1, "{text}");
    assert_eq!(count("Core Count: 16"), 2, "{text}");
    assert_eq!(count("Thread Count: 32"), 2, "{text}");
    assert_eq!(count("Status: Unpopulated"), 1, "{text}");
    assert_eq!(
        count("UUID: 00112233-4455-6677-8899-aabbccddeeff"),
        1,
        "{text}"
    );
    assert_eq!(count("Configured Memory Speed: 2933 MT/s"), 2, "{text}");
}

#[test]
fn all_forms_say_the_same() {
    let table = server();
    let bare = read(&table);
    let mut windows = vec![0, 3, 2, 0];
    windows.extend_from_slice(&u32::try_from(table.len()).unwrap().to_le_bytes());
    windows.extend_from_slice(&table);
    for (form, file) in [
        ("64-bit dump", padded(entry_64(0x20, &table), 0x20, &table)),
        ("32-bit dump", padded(entry_32(0x20, &table), 0x20, &table)),
        (
            "table elsewhere in the file",
            padded(entry_64(0x100, &table), 0x100, &table),
        ),
        (
            "physical address",
            padded(entry_32(0xbf7e_c000, &table), 0x20, &table),
        ),
        (
            "64-bit physical address",
            padded(entry_64(0x7_bf7e_c000, &table), 0x20, &table),
        ),
        ("Windows", windows),
    ] {
        let inventory = read(&file);
        assert_eq!(inventory.memory, bare.memory, "{form}");
        assert_eq!(inventory.cpu, bare.cpu, "{form}");
        assert_eq!(inventory.system, bare.system, "{form}");
    }
    // The pair that Linux shows in sysfs.
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path().join("sys/firmware/dmi/tables");
    std::fs::create_dir_all(&tables).unwrap();
    std::fs::write(tables.join("DMI"), &table).unwrap();
    std::fs::write(
        tables.join("smbios_entry_point"),
        entry_64(0xdead_0000, &table),
    )
    .unwrap();
    let inventory = probe(&Root::at(dir.path()).unwrap(), &ProbeOptions::default());
    assert_eq!(
        (inventory.memory, inventory.system),
        (bare.memory, bare.system)
    );
}

#[test]
fn old_tables_have_big_endian_uuids() {
    let mut file = padded(entry_32(0x20, &server()), 0x20, &server());
    file[6..8].copy_from_slice(&[2, 31]); // what some firmware writes for 2.3
    let uuid = read(&file).system.uuid.unwrap();
    assert_eq!(uuid.raw(), "33221100-5544-7766-8899-aabbccddeeff");
}

#[test]
fn memory_sizes_by_the_rules() {
    let of = |modules: &[Vec<u8>]| {
        read(
            &[
                array(0x10, 3, 3),
                array(0x11, 4, 3),
                modules.concat(),
                end(),
            ]
            .concat(),
        )
        .memory
    };
    let kib = of(&[module(1, 0x10, 0x8000 | 512, 0, 0x18, "K")]);
    assert_eq!(kib.installed_bytes, Some(Bytes(512 * KIB)));
    let unknown = of(&[
        module(1, 0x10, 0xffff, 0, 0x1a, "?"),
        module(2, 0x10, 1024, 0, 0x1a, "A"),
    ]);
    assert_eq!(
        (unknown.installed_bytes, unknown.installed_is_lower_bound),
        (Some(Bytes(GIB)), true)
    );
    let cut = of(&[module(1, 0x10, 0x7fff, 0, 0x1a, "big")]);
    assert_eq!(
        (cut.installed_bytes, cut.installed_is_lower_bound),
        (Some(Bytes(32767 * MIB)), true)
    );
    let flash = of(&[
        module(1, 0x10, 16, 0, 9, "BIOS"),
        module(2, 0x10, 1024, 0, 0x1a, "A"),
    ]);
    assert_eq!(
        (flash.installed_bytes, flash.slots),
        (Some(Bytes(GIB)), Some(1))
    );
    let video = of(&[
        module(1, 0x11, 4096, 0, 0x1a, "VRAM"),
        module(2, 0x10, 1024, 0, 0x1a, "A"),
    ]);
    assert_eq!(
        (video.installed_bytes, video.slots),
        (Some(Bytes(GIB)), Some(1))
    );
    let absurd = of(&[module(1, 0x10, 0x7fff, 0x7fff_ffff, 0x1a, "2 PiB")]);
    assert_eq!(
        (absurd.installed_bytes, absurd.installed_is_lower_bound),
        (None, true)
    );
    let empty = of(&[module(1, 0x10, 0, 0, 2, "A")]);
    assert_eq!(empty.installed_bytes, Some(Bytes(0)));
}

#[test]
fn more_usable_than_listed_memory_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    std::fs::write(
        dir.path().join("proc/meminfo"),
        "MemTotal:       134217728 kB\n",
    )
    .unwrap();
    let options = ProbeOptions {
        smbios: Some(server()),
        ..ProbeOptions::default()
    };
    let memory = probe(&Root::at(dir.path()).unwrap(), &options).memory;
    assert_eq!(memory.installed_bytes, Some(Bytes(128 * GIB)));
    assert!(memory.installed_is_lower_bound);
}

#[test]
fn broken_tables_cost_the_broken_part_only() {
    let good = [
        system("Box"),
        array(0x10, 3, 6),
        module(1, 0x10, 2048, 0, 0x1a, "A"),
    ]
    .concat();
    for (what, tail) in [
        ("length zero, then zeros", vec![0; 17_000]),
        ("length below the header", vec![17, 3, 0, 0, 0, 0]),
        ("past the end", vec![17, 0x54, 2, 0, 1, 2, 3]),
        ("cut in the header", vec![17, 0x54]),
        ("nothing", vec![]),
    ] {
        let inventory = read(&[good.clone(), tail].concat());
        assert_eq!(
            inventory.memory.installed_bytes,
            Some(Bytes(2 * GIB)),
            "{what}"
        );
        assert_eq!(
            inventory.system.product.as_ref().unwrap().raw(),
            "Box",
            "{what}"
        );
    }
    // No terminator at all behind the last string.
    let mut cut = good.clone();
    cut.truncate(cut.len() - 2);
    assert_eq!(read(&cut).memory.installed_bytes, Some(Bytes(2 * GIB)));
    // What lies behind the end marker is not part of the table.
    let after = [good, end(), module(9, 0x10, 2048, 0, 0x1a, "ghost")].concat();
    assert_eq!(read(&after).memory.dimms.len(), 1);
}

#[test]
fn a_table_that_ends_early_is_a_warning() {
    let broken = [system("Box"), vec![17, 0x54, 2, 0]].concat();
    assert!(!smbios::load(&broken).unwrap().warnings.is_empty());
    assert!(smbios::load(&server()).unwrap().warnings.is_empty());
}

#[test]
fn what_is_no_table_is_refused() {
    assert_eq!(smbios::load(&[]).err(), Some(SmbiosError::Empty));
    assert_eq!(smbios::load(&[0; 64]).err(), Some(SmbiosError::NotATable));
    assert_eq!(smbios::load(b"_SM3_").err(), Some(SmbiosError::NotATable));
    let large = vec![0; smbios::TABLE_MAX_BYTES + 1];
    assert!(matches!(
        smbios::load(&large).err(),
        Some(SmbiosError::TooLarge(_))
    ));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(table) = smbios::load(&bytes) {
            let _ = smbios::decode(&table);
        }
    }

    #[test]
    fn mutated_tables_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        dump: bool,
    ) {
        let table = server();
        let mut bytes = if dump { padded(entry_32(0x20, &table), 0x20, &table) } else { table };
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(table) = smbios::load(&bytes) {
            let firmware = smbios::decode(&table);
            prop_assert!(firmware.installed_bytes.is_none_or(|size| size <= Bytes(64 << 40)));
        }
    }
}
