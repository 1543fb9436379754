//! Rows become parcels, and parcels travel in batches.
//!
//! A parcel is what a sink takes at once: an object of a bucket, the body of a request.

use bytes::Bytes;

use super::table::{PerTable, Table};

/// Large parcels travel in smaller company.
const BATCH_BYTES: usize = 1024 * 1024;

/// Rows of one table that go together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parcel {
    /// Whose rows they are.
    pub table: Table,
    /// The number of its first row within this emulation, from 0.
    pub start: u64,
    /// The number after its last one. Rows that were left out count, too.
    pub until: u64,
    /// The rows, in their order.
    pub rows: Vec<Row>,
}

/// A row on its way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Its number within this emulation, from 0. Rows before it may have been left out, or taken already; it is the same.
    pub number: u64,
    /// A JSON document without a newline.
    pub document: Bytes,
}

/// Parcels in the order of their rows.
pub(super) type Batch = Vec<Parcel>;

/// How large parcels and batches become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rows a parcel, at least one.
    pub rows: usize,
    /// A parcel with several rows has no more bytes than this.
    pub bytes: usize,
    /// Parcels a batch.
    pub parcels: usize,
}

/// Puts rows together.
#[derive(Debug)]
pub(super) struct Packer {
    sizes: Sizes,
    open: PerTable<Open>,
    batch: Batch,
    batch_bytes: usize,
}

/// A parcel that is not full yet.
#[derive(Debug, Default)]
struct Open {
    start: u64,
    until: u64,
    rows: Vec<Row>,
    bytes: usize,
}

impl Packer {
    /// The first row of each table has the number that `from` says.
    pub(super) fn new(sizes: Sizes, from: PerTable<u64>) -> Packer {
        let open = PerTable::from_fn(|table| Open { start: from[table], until: from[table], ..Open::default() });
        Packer { sizes, open, batch: Vec::new(), batch_bytes: 0 }
    }

    /// Adds the next row of a table; answers with a batch when one is full.
    pub(super) fn push(&mut self, table: Table, document: Bytes) -> Option<Batch> {
        let open = &self.open[table];
        if !open.rows.is_empty() && open.bytes + document.len() > self.sizes.bytes {
            self.close(table);
        }
        let open = &mut self.open[table];
        open.bytes += document.len();
        open.rows.push(Row { number: open.until, document });
        open.until += 1;
        if open.rows.len() >= self.sizes.rows {
            self.close(table);
        }
        let is_full = self.batch.len() >= self.sizes.parcels || self.batch_bytes >= BATCH_BYTES;
        if is_full { self.take() } else { None }
    }

    /// Leaves out the next row of a table.
    pub(super) fn skip(&mut self, table: Table) {
        self.open[table].until += 1;
    }

    /// The parcels that are full, as long as there are some.
    pub(super) fn take(&mut self) -> Option<Batch> {
        self.batch_bytes = 0;
        (!self.batch.is_empty()).then(|| std::mem::take(&mut self.batch))
    }

    /// What is left over, when there are no more rows.
    pub(super) fn finish(mut self) -> Option<Batch> {
        for table in Table::ALL {
            if !self.open[table].rows.is_empty() {
                self.close(table);
            }
        }
        self.take()
    }

    fn close(&mut self, table: Table) {
        let next = self.open[table].until;
        let open = std::mem::replace(&mut self.open[table], Open { start: next, until: next, ..Open::default() });
        self.batch_bytes += open.bytes;
        self.batch.push(Parcel { table, start: open.start, until: open.until, rows: open.rows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(rows_a_parcel: usize, bytes: usize, rows: usize) -> Vec<Parcel> {
        let sizes = Sizes { rows: rows_a_parcel, bytes, parcels: 4 };
        let mut packer = Packer::new(sizes, PerTable([5, 0, 0]));
        let mut parcels = Vec::new();
        for number in 0..rows {
            parcels.extend(packer.push(Table::Pin, number.to_string().into()).into_iter().flatten());
        }
        parcels.extend(packer.finish().into_iter().flatten());
        parcels
    }

    #[test]
    fn every_row_is_in_one_parcel_at_its_number() {
        for (size, rows, count) in [(1, 1000, 1000), (3, 7, 3), (100, 7, 1), (1, 0, 0), (7, 7, 1)] {
            let parcels = pack(size, 1000, rows);
            assert_eq!(parcels.len(), count);
            let mut next = 5;
            for parcel in &parcels {
                assert_eq!((parcel.start, parcel.until - parcel.start), (next, parcel.rows.len() as u64));
                next = parcel.until;
            }
            let all: Vec<_> = parcels.into_iter().flat_map(|parcel| parcel.rows).collect();
            let expected =
                (0..rows).map(|number| Row { number: 5 + number as u64, document: number.to_string().into() });
            assert!(all.into_iter().eq(expected));
        }
    }

    #[test]
    fn a_parcel_is_closed_before_it_is_too_large() {
        let lengths: Vec<usize> = pack(100, 3, 12).iter().map(|parcel| parcel.rows.len()).collect();
        assert_eq!(lengths, [3, 3, 3, 2, 1]);
    }

    #[test]
    fn rows_that_are_left_out_have_numbers() {
        let mut packer = Packer::new(Sizes { rows: 2, bytes: 100, parcels: 1 }, PerTable::default());
        packer.skip(Table::Geo);
        assert_eq!(packer.push(Table::Geo, "{}".into()), None);
        packer.skip(Table::Geo);
        let batch = packer.push(Table::Geo, "{}".into()).unwrap();
        let rows = [1, 3].map(|number| Row { number, document: "{}".into() }).to_vec();
        assert_eq!(batch, [Parcel { table: Table::Geo, start: 0, until: 4, rows }]);
    }
}
