//! What is compressed in many short calls that share frames is restored unchanged.

use crate::allocator::Budget;
use crate::stream::Stream;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use tokio::sync::mpsc;

/// Output in pieces so small that there are thousands of calls, many in each poll.
const PIECE: usize = 64;

/// Text with repetitions, but not too many.
fn text() -> Vec<u8> {
    let mut seed = 1_u32;
    let mut text = Vec::new();
    while text.len() < 1 << 20 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{:04} ", seed >> 18).as_bytes());
    }
    text
}

/// Drives a stream to the end of `input`, a call for each piece of output.
async fn pump(stream: &mut Stream<'_>, mut input: &[u8], last: bool, output: &mut Vec<u8>) -> u64 {
    let mut calls = 0;
    loop {
        let mut piece = [0; PIECE];
        let step = cede::call(|| stream.step(input, &mut piece, last)).await;
        calls += 1;
        input = &input[step.consumed..];
        output.extend_from_slice(&piece[..step.produced]);
        // Room that is left means that there is nothing more to say.
        if step.is_end || (input.is_empty() && step.produced < PIECE) {
            return calls;
        }
    }
}

#[test]
fn two_tasks_compress_and_restore_in_scopes() {
    let _watchdog = Watchdog::new("round trip");
    on_worker(2, async {
        let (send, mut receive) = mpsc::channel::<Vec<u8>>(4);
        let compressor = cede::spawn(async move {
            let budget = Budget::new(Budget::PLENTY);
            // SAFETY: the allocator is as zlib expects, and for any thread.
            let new = cede::call(|| unsafe { Stream::compress(&budget.source()) });
            let mut stream = new.await.unwrap();
            let mut calls = 0;
            let text = text();
            let mut chunks = text.chunks(50_000).peekable();
            while let Some(chunk) = chunks.next() {
                let mut compressed = Vec::new();
                let last = chunks.peek().is_none();
                calls += pump(&mut stream, chunk, last, &mut compressed).await;
                send.send(compressed).await.unwrap();
            }
            calls
        });
        let restorer = cede::spawn(async move {
            let budget = Budget::new(Budget::PLENTY);
            // SAFETY: the allocator is as zlib expects, and for any thread.
            let new = cede::call(|| unsafe { Stream::restore(&budget.source()) });
            let mut stream = new.await.unwrap();
            let (mut restored, mut calls, mut compressed) = (Vec::new(), 0, 0);
            while let Some(chunk) = receive.recv().await {
                compressed += chunk.len();
                calls += pump(&mut stream, &chunk, false, &mut restored).await;
            }
            (restored, calls, compressed)
        });
        let text = text();
        let calls = compressor.await.unwrap();
        assert!(calls > 1000, "{calls} calls compress");
        let (restored, calls, compressed) = restorer.await.unwrap();
        assert!(calls > 10_000, "{calls} calls restore");
        assert!(compressed < text.len() / 2, "{compressed} bytes compressed");
        assert!(restored == text);
    });
}
