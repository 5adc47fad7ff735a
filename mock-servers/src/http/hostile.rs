//! Answers that mean harm: to terminals, to HTML reports, to parsers, to memory.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::settings::Hostility;
use crate::wire::Stream;

/// The most an endless body sends before it ends after all: a client that reads so much has failed the test.
const ENDLESS: usize = 1 << 30;

pub(super) async fn answer(stream: &mut impl Stream, with: &[Hostility]) -> io::Result<()> {
    let has = |what| with.contains(&what);
    let mut head: Vec<u8> = Vec::new();
    let status = if has(Hostility::StatusLine) { "HTTP/9.9 \u{1b}[31mzzz \r OK\r\n" } else { "HTTP/1.1 200 OK\r\n" };
    head.extend(status.bytes());
    let mut title = "Welcome".to_owned();
    if has(Hostility::Escapes) {
        head.extend(b"Server: \x1b[2J\x1b[1;31mMicrosoft-IIS/10.0\x1b]0;owned\x07\r\n");
        head.extend("X-Powered-By: \u{202e}TEN.PSA\u{8}\u{8}\u{9b}31m\r\n".bytes());
        title.push_str("\u{1b}[2J\u{1b}]8;;file:///etc/passwd\u{7}click\u{1b}]8;;\u{7}");
    }
    if has(Hostility::Nul) {
        head.extend(b"X-AspNet-Version: 4.0\x00.30319\xff\xfe\xc3\x28\r\n");
    }
    if has(Hostility::Script) {
        head.extend(b"Server: <script>alert(1)</script>\"'><img src=x onerror=alert(1)>\r\n");
        title.push_str("</title><script>alert(2)</script>");
    }
    if has(Hostility::LongHeader) {
        head.extend(b"X-Long: ");
        head.extend(std::iter::repeat_n(b'A', 256 * 1024));
        head.extend(b"\r\n");
    }
    if has(Hostility::ManyHeaders) {
        for number in 0..5000 {
            head.extend(format!("X-Many-{number}: {number}\r\n").bytes());
        }
    }
    let body = format!("<html><head><title>{title}</title></head></html>\n");
    head.extend(b"Content-Type: text/html; charset=utf-8\r\nConnection: close\r\n");
    if has(Hostility::HugeLength) {
        head.extend(format!("Content-Length: {}\r\n\r\n", i64::MAX).bytes());
        stream.write_all(&head).await?;
        return stream.flush().await;
    }
    if has(Hostility::EndlessBody) {
        head.extend(b"\r\n");
        stream.write_all(&head).await?;
        let garbage = vec![b'x'; 16 * 1024];
        for _ in 0..ENDLESS / garbage.len() {
            stream.write_all(&garbage).await?;
        }
        return stream.flush().await;
    }
    head.extend(format!("Content-Length: {}\r\n\r\n{body}", body.len()).bytes());
    stream.write_all(&head).await?;
    stream.flush().await
}
