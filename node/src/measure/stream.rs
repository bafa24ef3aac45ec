//! A plain stream of a file between two processes, over the transport that cairn uses: what a transfer is measured against.

use std::path::{Path, PathBuf};

use futures::StreamExt;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, identity, noise, tcp, yamux};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::error::NodeError;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/cairn/bench/1");
/// What is read and written at a time.
const STEP_BYTES: usize = 256 << 10;

/// Sends a file to whoever opens a stream, until the process ends; `ready` is told the address.
pub fn send_streams(file: &Path, ready: &mut dyn FnMut(&str)) -> Result<(), NodeError> {
    runtime()?.block_on(async {
        let mut swarm = swarm()?;
        let incoming = swarm.behaviour().new_control().accept(PROTOCOL);
        let mut incoming = incoming.map_err(|_| NodeError::Bug("a protocol that is taken"))?;
        let file = file.to_owned();
        tokio::spawn(async move {
            while let Some((_, stream)) = incoming.next().await {
                tokio::spawn(send(file.clone(), stream.compat()));
            }
        });
        swarm.listen_on(loopback()).map_err(failed)?;
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                let address = address.with_p2p(*swarm.local_peer_id()).map_err(|address| failed(&address))?;
                ready(&address.to_string());
            }
        }
    })
}

async fn send(file: PathBuf, mut stream: impl tokio::io::AsyncWrite + Unpin) -> std::io::Result<()> {
    let file = tokio::fs::File::open(file).await?;
    tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(STEP_BYTES, file), &mut stream).await?;
    stream.shutdown().await
}

/// Writes what such a process sends to a file, and fsyncs it; how many bytes came.
pub fn receive_stream(address: &str, out: &Path) -> Result<u64, NodeError> {
    let address: Multiaddr = address.parse().map_err(failed)?;
    let peer = address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
        _ => None,
    });
    let peer = peer.ok_or_else(|| NodeError::Usage("an address without a peer".to_owned()))?;
    runtime()?.block_on(async {
        let mut swarm = swarm()?;
        let mut control = swarm.behaviour().new_control();
        swarm.dial(address).map_err(failed)?;
        let (up, connected) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut up = Some(up);
            loop {
                if let SwarmEvent::ConnectionEstablished { .. } = swarm.select_next_some().await {
                    up.take().map(|up| up.send(()));
                }
            }
        });
        connected.await.map_err(failed)?;
        let stream = control.open_stream(peer, PROTOCOL).await.map_err(failed)?;
        receive(stream.compat(), out).await.map_err(|error| NodeError::io("write", out, error))
    })
}

/// Writes a stream to a file from a second thread, as fast as the better of the two goes.
async fn receive(mut stream: impl AsyncRead + Unpin, out: &Path) -> std::io::Result<u64> {
    use tokio::io::AsyncReadExt;
    let (sender, mut steps) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
    let mut file = std::fs::File::create(out)?;
    let writing = tokio::task::spawn_blocking(move || {
        let mut bytes = 0;
        while let Some(step) = steps.blocking_recv() {
            std::io::Write::write_all(&mut file, &step)?;
            bytes += step.len() as u64;
        }
        file.sync_all()?;
        Ok(bytes)
    });
    loop {
        let mut step = Vec::with_capacity(STEP_BYTES);
        while step.len() < STEP_BYTES && stream.read_buf(&mut step).await? > 0 {}
        if step.is_empty() || sender.send(step).await.is_err() {
            break;
        }
    }
    drop(sender);
    writing.await?
}

fn swarm() -> Result<Swarm<libp2p_stream::Behaviour>, NodeError> {
    let builder = SwarmBuilder::with_existing_identity(identity::Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(failed)?
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .map_err(failed)?;
    let day = std::time::Duration::from_secs(86_400);
    Ok(builder.with_swarm_config(|config| config.with_idle_connection_timeout(day)).build())
}

fn runtime() -> Result<tokio::runtime::Runtime, NodeError> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)
}

fn loopback() -> Multiaddr {
    let port = libp2p::multiaddr::Protocol::Tcp(0);
    Multiaddr::from(std::net::Ipv4Addr::LOCALHOST).with(port)
}

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::Network(error.to_string())
}
