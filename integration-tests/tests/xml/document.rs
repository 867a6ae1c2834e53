//! Documents of the tests, as a task sends them: in small pieces.

use crate::parser::Event::{self, End, Start, Text};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc;

/// The pieces that are still to come.
#[derive(Clone)]
pub(crate) struct Pieces(Arc<Mutex<mpsc::Receiver<Vec<u8>>>>);

impl Pieces {
    /// The next piece, which is empty at the end.
    pub(crate) async fn next(self, size: usize) -> Vec<u8> {
        let piece = self.0.lock().await.recv().await.unwrap_or_default();
        assert!(piece.len() <= size, "small pieces");
        piece
    }
}

/// Has a task send a document.
pub(crate) fn send(document: &str) -> Pieces {
    let pieces: Vec<_> = document.as_bytes().chunks(3).map(<[u8]>::to_vec).collect();
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        for piece in pieces {
            // Nobody reads on when the parser has stopped.
            if send.send(piece).await.is_err() {
                break;
            }
        }
    });
    Pieces(Arc::new(Mutex::new(receive)))
}

/// Verses in a poem.
pub(crate) fn poem(verses: usize) -> String {
    let verses: String = (1..=verses)
        .map(|verse| format!("<verse>{verse}</verse>"))
        .collect();
    format!("<poem>{verses}</poem>")
}

/// What a parser says of [`poem`].
pub(crate) fn poem_events(verses: usize) -> Vec<Event> {
    let verse = |verse: usize| {
        [
            Start("verse".into()),
            Text(verse.to_string()),
            End("verse".into()),
        ]
    };
    let mut events = vec![Start("poem".into())];
    events.extend((1..=verses).flat_map(verse));
    events.push(End("poem".into()));
    events
}
