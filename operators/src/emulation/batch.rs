//! Records become objects, and objects travel in batches.

use bytes::Bytes;

/// Objects that travel together from a source to a sink: enough to make the hand-over cheap, few enough to stop soon.
const BATCH_OBJECTS: usize = 256;

/// Large objects travel in smaller company.
const BATCH_BYTES: usize = 1024 * 1024;

/// One object: some records, one JSON document and a newline each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// The offset of its first record within the partition.
    pub offset: u64,
    /// How many records it holds.
    pub records: u64,
    /// Its content.
    pub content: Bytes,
}

/// Objects in the order of their offsets.
pub(super) type Batch = Vec<Object>;

/// Puts records together: `flush_size` of them into an object, objects into batches.
#[derive(Debug)]
pub(super) struct Packer {
    flush_size: u64,
    next_offset: u64,
    records: u64,
    content: Vec<u8>,
    batch: Batch,
    batch_bytes: usize,
}

impl Packer {
    /// An object holds up to `flush_size` records, at least one.
    pub(super) fn new(flush_size: u64) -> Packer {
        Packer {
            flush_size: flush_size.max(1),
            next_offset: 0,
            records: 0,
            content: Vec::new(),
            batch: Vec::new(),
            batch_bytes: 0,
        }
    }

    /// Adds the next record; answers with a batch when one is full.
    pub(super) fn push(&mut self, record: &[u8]) -> Option<Batch> {
        if self.flush_size == 1 {
            // The usual case, and then nothing is wasted.
            self.content.reserve_exact(record.len() + 1);
        }
        self.content.extend_from_slice(record);
        self.content.push(b'\n');
        self.records += 1;
        if self.records == self.flush_size {
            self.flush();
        }
        let full = self.batch.len() >= BATCH_OBJECTS || self.batch_bytes >= BATCH_BYTES;
        full.then(|| self.take())
    }

    /// What is left over, when there are no more records.
    pub(super) fn finish(mut self) -> Option<Batch> {
        if self.records > 0 {
            self.flush();
        }
        (!self.batch.is_empty()).then(|| self.take())
    }

    fn flush(&mut self) {
        let content = std::mem::take(&mut self.content);
        self.batch_bytes += content.len();
        self.batch.push(Object { offset: self.next_offset, records: self.records, content: content.into() });
        self.next_offset += self.records;
        self.records = 0;
    }

    fn take(&mut self) -> Batch {
        self.batch_bytes = 0;
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(flush_size: u64, records: usize) -> Vec<Object> {
        let mut packer = Packer::new(flush_size);
        let mut objects = Vec::new();
        for number in 0..records {
            objects.extend(packer.push(number.to_string().as_bytes()).into_iter().flatten());
        }
        objects.extend(packer.finish().into_iter().flatten());
        objects
    }

    #[test]
    fn every_record_is_in_one_object_at_its_offset() {
        for (flush_size, records, objects) in [(1, 1000, 1000), (3, 7, 3), (100, 7, 1), (1, 0, 0), (7, 7, 1)] {
            let packed = pack(flush_size, records);
            assert_eq!(packed.len(), objects);
            let mut offset = 0;
            for object in &packed {
                assert_eq!(object.offset, offset);
                offset += object.records;
            }
            assert_eq!(offset, records as u64);
            let all: Vec<u8> = packed.iter().flat_map(|object| object.content.to_vec()).collect();
            let all = String::from_utf8(all).unwrap();
            assert!(all.lines().eq((0..records).map(|number| number.to_string())), "{all}");
            assert!(all.is_empty() || all.ends_with('\n'));
        }
    }
}
