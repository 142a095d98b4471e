//! What the size of an item costs.
//!
//! Source: the table in "Understand request units consumption in Azure Cosmos DB". Its figures are points of a line. At 100 KB, other
//! pages publish 10 request units for a read and 50 for a write. The line passes within 20% of these as well.

pub(super) const KILOBYTE: f64 = 1024.0;

/// Kilobytes, the charge of a read, the charge of a write.
const POINTS: [(f64, f64, f64); 13] = [
    (1.0, 1.0, 4.95),
    (2.0, 1.04, 6.29),
    (4.0, 1.14, 6.67),
    (8.0, 1.33, 7.04),
    (16.0, 1.67, 9.52),
    (32.0, 2.19, 11.23),
    (64.0, 4.76, 22.67),
    (100.0, 9.0, 41.0),
    (128.0, 9.95, 48.19),
    (256.0, 20.28, 98.29),
    (512.0, 40.95, 184.57),
    (1024.0, 145.9, 625.0),
    (2048.0, 291.8, 1250.0),
];

pub(super) fn read_units(bytes: usize) -> f64 {
    units(bytes, |(_, read, _)| read)
}

pub(super) fn write_units(bytes: usize) -> f64 {
    units(bytes, |(_, _, write)| write)
}

fn units(bytes: usize, charge: impl Fn((f64, f64, f64)) -> f64) -> f64 {
    let kilobytes = bytes as f64 / KILOBYTE;
    let (first, last) = (POINTS[0], POINTS[POINTS.len() - 1]);
    if kilobytes <= first.0 {
        return charge(first);
    }
    let pair = POINTS.windows(2).find(|pair| kilobytes <= pair[1].0);
    match pair {
        Some(pair) => {
            let part = (kilobytes - pair[0].0) / (pair[1].0 - pair[0].0);
            charge(pair[0]) + part * (charge(pair[1]) - charge(pair[0]))
        }
        None => charge(last) * kilobytes / last.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sizes_have_their_figures_and_those_between_a_figure_between() {
        for (kilobytes, read, write) in POINTS {
            let bytes = kilobytes as usize * 1024;
            assert_eq!((read_units(bytes), write_units(bytes)), (read, write), "{kilobytes} KB");
        }
        assert_eq!((read_units(0), write_units(10)), (1.0, 4.95));
        assert!((read_units(3 * 1024) - 1.09).abs() < 0.001);
        let sizes = (0..3 * 1024).map(|kilobytes| kilobytes * 1024);
        assert!(sizes.clone().map(read_units).is_sorted() && sizes.map(write_units).is_sorted());
    }

    #[test]
    fn the_other_published_figures_for_100_kilobytes_hold_within_a_fifth() {
        assert!((8.0..=12.0).contains(&read_units(100 * 1024)));
        assert!((40.0..=60.0).contains(&write_units(100 * 1024)));
    }
}
