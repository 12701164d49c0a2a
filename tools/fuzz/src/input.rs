//! How targets take choices from the front of their input.

/// The bytes of one input, taken from the front. What is missing reads as zero, so that every
/// input means something and shrinking it stays possible.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Two bytes of length, then that many bytes or what there is.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let size = usize::from(u16::from_be_bytes([self.byte(), self.byte()]));
        self.take(size)
    }

    pub(crate) fn take(&mut self, size: usize) -> &'a [u8] {
        let (piece, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        piece
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Appends what [`Input::piece`] takes.
pub(crate) fn put_piece(out: &mut Vec<u8>, piece: &[u8]) {
    let size = u16::try_from(piece.len()).expect("pieces of seeds are small");
    out.extend(size.to_be_bytes());
    out.extend(piece);
}
