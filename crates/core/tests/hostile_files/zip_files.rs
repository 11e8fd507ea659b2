//! Zip archives made by hand, so that every field can lie: as npz, and as PyTorch files.

use crate::{npy_files, refusal};
use hadal_core::format::{npz, pytorch};

#[derive(Clone)]
pub struct Member {
    pub name: &'static str,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub size: u32,
    pub crc: u32,
}

pub fn member(name: &'static str, data: &[u8]) -> Member {
    Member { name, data: data.to_vec(), method: 0, flags: 0, size: data.len() as u32, crc: rawzip::crc32(data) }
}

pub fn deflated(name: &'static str, data: &[u8]) -> Member {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, data).unwrap();
    Member { data: encoder.finish().unwrap(), method: 8, ..member(name, data) }
}

/// An archive whose directory says of each member that it begins at its offset plus `shift`.
pub fn archive(members: &[Member], shift: i64) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (i, m) in members.iter().enumerate() {
        let at = file.len() as i64 + if i > 0 { shift } else { 0 };
        let mut fields = Vec::new();
        [20, m.flags, m.method, 0, 0].iter().for_each(|v: &u16| fields.extend(v.to_le_bytes()));
        [m.crc, m.data.len() as u32, m.size].iter().for_each(|v| fields.extend(v.to_le_bytes()));
        fields.extend((m.name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(m.name.as_bytes());
        file.extend(&m.data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend((at as u32).to_le_bytes());
        directory.extend(m.name.as_bytes());
    }
    let (start, count) = (file.len() as u32, (members.len() as u16).to_le_bytes());
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

#[track_caller]
fn refused(members: &[Member], message: &str) {
    assert_eq!(refusal(npz::from_bytes, archive(members, 0)), format!("npz data {message}"));
}

fn array(elements: usize, data: usize) -> Vec<u8> {
    npy_files::file(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({elements},)}}"), data)
}

#[test]
fn honest_archives_are_read() {
    let members = [member("a.npy", &array(5, 5)), deflated("b.npy", &array(5000, 5000))];
    let arrays = npz::from_bytes(archive(&members, 0)).unwrap();
    assert_eq!((arrays["a"].elements(), arrays["b"].elements()), (5, 5000));
}

#[test]
fn bombs() {
    // A member that claims more than its bytes can hold.
    let packed = deflated("a.npy", &array(5000, 5000));
    let length = packed.data.len();
    let message = format!("has a member `a.npy` that claims 4000000000 bytes, which its {length} bytes cannot hold");
    refused(&[Member { size: 4_000_000_000, ..packed.clone() }], &message);
    refused(
        &[Member { size: 4_000_000_000, ..member("a.npy", &[0; 9]) }],
        "has a member `a.npy` that claims 4000000000 bytes, which its 9 bytes cannot hold",
    );
    // A member whose own header disagrees with the archive, before anything of it is unpacked.
    refused(
        &[deflated("a.npy", &array(1 << 40, 5000))],
        "array `a` has 5077 bytes in the archive, but its own header makes it 1099511627853",
    );
    refused(
        &[Member { size: 5000, ..packed.clone() }],
        "array `a` has 5000 bytes in the archive, but its own header makes it 5068",
    );
    // A member that unpacks to more than it claims.
    let long = Member { size: 5068, ..deflated("a.npy", &array(5000, 9000)) };
    refused(&[long], "has a member `a.npy` that does not unpack to the 5068 bytes it claims");
    // Members over the same bytes.
    let one = member("a.npy", &array(5, 5));
    let nested = Member { name: "b.npy", ..one.clone() };
    let back = -((30 + one.name.len() + one.data.len()) as i64);
    assert_eq!(
        refusal(npz::from_bytes, archive(&[one.clone(), nested], back)),
        "npz data has members `a.npy` and `b.npy` that overlap in the file"
    );
    refused(&[one.clone(), one], "has a member `a.npy` that appears twice");
}

#[test]
fn members() {
    let one = member("a.npy", &array(5, 5));
    refused(&[Member { crc: 0, ..one.clone() }], "has a member `a.npy` that is corrupt: its checksum differs");
    refused(&[Member { flags: 1, ..one.clone() }], "has a member `a.npy` that is encrypted");
    refused(
        &[Member { method: 12, ..one.clone() }],
        "has a member `a.npy` that is compressed by 12 (BZIP2); only stored and deflated members are read",
    );
    refused(&[member("a.txt", b"hello")], "array `a.txt` is not an npy file: it does not begin with \\x93NUMPY");
    refused(&[one.clone(), member("a", &array(5, 5))], "array `a` appears twice");
    let lost = archive(&[one.clone(), Member { name: "b.npy", ..one }], 1 << 30);
    assert_eq!(refusal(npz::from_bytes, lost), "npz data has a member `b.npy` that lies outside the file");
    let text = refusal(npz::from_bytes, b"hello".to_vec());
    assert!(text.starts_with("npz data is not a readable zip archive: "), "{text}");
}

#[test]
fn archives_that_torch_save_did_not_write() {
    let refused = |members: &[Member], message: &str| {
        assert_eq!(refusal(pytorch::from_bytes, archive(members, 0)), format!("PyTorch data {message}"));
    };
    let none = b"\x80\x02N.";
    refused(&[member("a.npy", b"x")], "is a zip archive without `data.pkl`: torch.save did not write it");
    refused(
        &[member("m/data.pkl", none), member("m/constants.pkl", none)],
        "is a TorchScript program; save `model.state_dict()` instead",
    );
    refused(
        &[member("m/data.pkl", none), member("m/byteorder", b"middle")],
        "has byte order `middle`, not `little` or `big`",
    );
    refused(&[member("m/data.pkl", b"\x80\x02")], "ends in the middle of its pickle: it is truncated");
}
