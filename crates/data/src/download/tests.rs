//! Downloads from a small server on this machine that misbehaves on purpose.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use super::{Progress, Remote, fetch};
use crate::testing::{Folder, fails, folder};

/// 200,000 bytes that are not periodic.
fn content() -> Vec<u8> {
    (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// SHA-256 of [`content`], by `sha256sum`.
const SHA256: &str = "2c4085b1ab9817526311b5a5b04451140dc922067c6922a59a77e1503918357b";

fn remote(mirrors: &[String]) -> Remote {
    Remote { name: "file.bin".into(), mirrors: mirrors.to_vec(), bytes: 200_000, sha256: SHA256.into() }
}

/// A request as the server saw it: path and first byte wanted.
type Request = (String, u64);

/// A server that answers each connection with the raw bytes that `answer` returns, then hangs up.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn new(answer: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for (count, socket) in listener.incoming().enumerate() {
                let mut socket = socket.expect("a connection");
                let request = read(&mut BufReader::new(&socket));
                let bytes = answer(count, &request);
                log.lock().unwrap().push(request);
                let _ = socket.write_all(&bytes);
            }
        });
        Server { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(socket: &mut impl BufRead) -> Request {
    let mut request = (String::new(), 0);
    for line in socket.lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("GET /") {
            request.0 = rest.split(' ').next().unwrap_or_default().to_string();
        }
        if let Some(rest) = line.to_lowercase().strip_prefix("range: bytes=") {
            request.1 = rest.trim_end_matches('-').parse().expect("a number");
        }
    }
    request
}

/// The answer of an honest server, of which only the first `sent` bytes of the body arrive.
fn honest(request: &Request, sent: usize) -> Vec<u8> {
    let (content, from) = (content(), request.1 as usize);
    let status = match from {
        0 => "200 OK".to_string(),
        _ => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", content.len() - 1, content.len()),
    };
    let body = &content[from..];
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), &body[..sent.min(body.len())]].concat()
}

fn status(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

fn download(folder: &Folder, mirrors: &[String]) -> crate::Result<std::path::PathBuf> {
    fetch(&remote(mirrors), &folder.path("cache"), &mut |_| {})
}

#[track_caller]
fn assert_whole(folder: &Folder) {
    assert!(std::fs::read(folder.path("cache/file.bin")).unwrap() == content(), "the file has other bytes");
    assert!(!folder.path("cache/file.bin.part").exists(), "the partial file is left");
}

#[test]
fn downloads_once_and_reports_progress() {
    let (folder, server) = (folder(), Server::new(|_, request| honest(request, usize::MAX)));
    let mut steps = Vec::new();
    let mut watch = |progress: Progress| steps.push((progress.received, progress.total));
    for _ in 0..2 {
        fetch(&remote(&[server.url("a")]), &folder.path("cache"), &mut watch).unwrap();
    }
    assert_whole(&folder);
    assert_eq!(server.requests(), [("a".to_string(), 0)]);
    assert_eq!((steps[0], steps[steps.len() - 1]), ((0, 200_000), (200_000, 200_000)));
    assert!(steps.is_sorted());
}

#[test]
fn a_transfer_that_breaks_off_is_resumed() {
    let server = Server::new(|count, request| honest(request, if count == 0 { 70_000 } else { usize::MAX }));
    let folder = folder();
    download(&folder, &[server.url("a")]).unwrap();
    assert_whole(&folder);
    assert_eq!(server.requests(), [("a".to_string(), 0), ("a".to_string(), 70_000)]);
}

#[test]
fn yesterdays_part_is_continued() {
    let (folder, server) = (folder(), Server::new(|_, request| honest(request, usize::MAX)));
    folder.write("cache/file.bin.part", &content()[..150_000]);
    download(&folder, &[server.url("a")]).unwrap();
    assert_whole(&folder);
    assert_eq!(server.requests(), [("a".to_string(), 150_000)]);
}

#[test]
fn a_part_with_wrong_bytes_is_thrown_away() {
    let (folder, server) = (folder(), Server::new(|_, request| honest(request, usize::MAX)));
    folder.write("cache/file.bin.part", [7; 1000]);
    download(&folder, &[server.url("a")]).unwrap();
    assert_whole(&folder);
    assert_eq!(server.requests(), [("a".to_string(), 1000), ("a".to_string(), 0)]);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let server =
        Server::new(|count, request| honest(&(request.0.clone(), 0), if count == 0 { 70_000 } else { usize::MAX }));
    let folder = folder();
    download(&folder, &[server.url("a")]).unwrap();
    assert_whole(&folder);
}

#[test]
fn the_next_mirror_helps_out() {
    let server = Server::new(|_, request| match request.0.as_str() {
        "missing" => status("404 Not Found"),
        "page" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".to_vec(),
        "wrong" => {
            let mut answer = honest(request, usize::MAX);
            *answer.last_mut().unwrap() ^= 1;
            answer
        }
        _ => honest(request, usize::MAX),
    });
    let folder = folder();
    let mirrors = ["missing", "page", "wrong", "good"].map(|path| server.url(path));
    download(&folder, &mirrors).unwrap();
    assert_whole(&folder);
}

#[test]
fn a_body_without_end_is_cut_at_the_known_size() {
    let server = Server::new(|_, _| [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &[1; 300_000]].concat());
    let folder = folder();
    fails(download(&folder, &[server.url("a")]), &["it is longer than 200000 bytes"]);
    assert!(std::fs::metadata(folder.path("cache/file.bin.part")).unwrap().len() <= 200_000);
}

#[test]
fn when_all_fail_the_message_says_what_each_did() {
    let server = Server::new(|_, request| match request.0.as_str() {
        "missing" => status("404 Not Found"),
        _ => honest(request, 10_000),
    });
    let folder = folder();
    let result = download(&folder, &[server.url("missing"), server.url("short"), "http://127.0.0.1:1/none".into()]);
    let parts =
        ["file.bin: not there", "missing: HTTP status 404", "50000 of 200000 bytes arrived", "127.0.0.1:1/none"];
    fails(result, &parts);
    assert!(!folder.path("cache/file.bin").exists());
}

#[test]
fn a_damaged_file_in_the_cache_is_replaced() {
    let (folder, server) = (folder(), Server::new(|_, request| honest(request, usize::MAX)));
    folder.write("cache/file.bin", vec![0; 200_000]);
    download(&folder, &[server.url("a")]).unwrap();
    assert_whole(&folder);
}

#[test]
fn threads_that_want_the_same_file_download_it_once() {
    let (folder, server) = (folder(), Server::new(|_, request| honest(request, usize::MAX)));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| download(&folder, &[server.url("a")]).unwrap());
        }
    });
    assert_whole(&folder);
    assert_eq!(server.requests().len(), 1);
}
