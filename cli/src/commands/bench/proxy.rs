//! A door between two nodes that counts what goes through it, in both directions.

use crate::error::Failure;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How much is passed on at once.
const PIECE_BYTES: usize = 64 << 10;

/// A port on loopback behind which another one lies.
pub(super) struct Proxy {
    port: u16,
    count: Arc<AtomicU64>,
}

impl Proxy {
    /// Opens a door to a port. It is open as long as the process lives.
    pub(super) fn to(port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let proxy = Self { port: listener.local_addr()?.port(), count: Arc::default() };
        let count = Arc::clone(&proxy.count);
        thread::spawn(move || {
            for guest in listener.incoming().flatten() {
                // Whoever cannot be let through hears it from the closed connection.
                if let Ok(host) = TcpStream::connect(("127.0.0.1", port)) {
                    let _ = between(&guest, &host, &count);
                }
            }
        });
        Ok(proxy)
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes went through so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

fn between(guest: &TcpStream, host: &TcpStream, count: &Arc<AtomicU64>) -> std::io::Result<()> {
    for (from, to) in [(guest, host), (host, guest)] {
        from.set_nodelay(true)?;
        let (from, to, count) = (from.try_clone()?, to.try_clone()?, Arc::clone(count));
        thread::spawn(move || pass(from, to, &count));
    }
    Ok(())
}

/// Passes on what comes until one side closes.
fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(size @ 1..) = from.read(&mut piece) {
        let Some(bytes) = piece.get(..size) else { break };
        count.fetch_add(size as u64, Ordering::SeqCst);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_is_counted_both_ways() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port()).unwrap();
        let echo = thread::spawn(move || {
            let (mut guest, _) = listener.accept().unwrap();
            let mut heard = [0; 5];
            guest.read_exact(&mut heard).unwrap();
            guest.write_all(&heard[..3]).unwrap();
        });
        let mut guest = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        guest.write_all(b"hello").unwrap();
        let mut answer = Vec::new();
        guest.read_to_end(&mut answer).unwrap();
        echo.join().unwrap();
        assert_eq!((answer, proxy.count()), (b"hel".to_vec(), 8));
    }
}
