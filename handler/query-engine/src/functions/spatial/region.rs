//! Polygons on a sphere. A ring encloses what is on its left, so that a clockwise ring is everything but its inside.

use std::f64::consts::PI;

use super::vector::{Arc, Vector};

/// Where a direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Outside,
    Boundary,
    Inside,
}

/// What is on the left of all rings of a polygon: the inside of a counter-clockwise ring without clockwise holes.
pub(super) struct Region {
    rings: Vec<Ring>,
}

struct Ring {
    vertices: Vec<Vector>,
    /// Steradians on the left.
    area: f64,
}

impl Region {
    pub(super) fn new(rings: impl Iterator<Item = Vec<Vector>>) -> Self {
        Self { rings: rings.map(|vertices| Ring { area: area(&vertices), vertices }).collect() }
    }

    pub(super) fn arcs(&self) -> impl Iterator<Item = Arc> {
        self.rings.iter().flat_map(|ring| arcs(&ring.vertices))
    }

    pub(super) fn side(&self, direction: Vector) -> Side {
        self.rings.iter().map(|ring| ring.side(direction)).min().unwrap_or(Side::Outside)
    }

    /// Steradians: the area of the first ring without those of the holes.
    pub(super) fn area(&self) -> f64 {
        let mut areas = self.rings.iter().map(|ring| ring.area);
        let first = areas.next().unwrap_or_default();
        first - areas.map(|hole| 4.0 * PI - hole).sum::<f64>()
    }
}

impl Ring {
    fn side(&self, direction: Vector) -> Side {
        if arcs(&self.vertices).any(|arc| arc.contains(direction)) {
            return Side::Boundary;
        }
        // How often the ring turns left around the direction. It turns right around one inside of a clockwise ring, and
        // around one whose opposite is inside of a counter-clockwise ring.
        let turns: f64 = arcs(&self.vertices).map(|arc| turn(direction, arc)).sum::<f64>() / (2.0 * PI);
        let is_inside = if turns.abs() < 0.5 { self.area > 2.0 * PI } else { turns > 0.0 };
        if is_inside { Side::Inside } else { Side::Outside }
    }
}

fn arcs(vertices: &[Vector]) -> impl Iterator<Item = Arc> {
    let next = vertices.iter().cycle().skip(1);
    vertices.iter().zip(next).map(|(from, to)| Arc { from: *from, to: *to })
}

/// The angle from one end of an arc to the other, as seen from a direction.
fn turn(direction: Vector, arc: Arc) -> f64 {
    let flat = |end: Vector| end - direction * end.dot(direction);
    let (from, to) = (flat(arc.from - direction), flat(arc.to - direction));
    direction.dot(from.cross(to)).atan2(from.dot(to))
}

/// Steradians on the left of a ring: the triangles of its first vertex with each edge.
fn area(vertices: &[Vector]) -> f64 {
    let Some((&apex, others)) = vertices.split_first() else { return 0.0 };
    let triangles = others.iter().zip(others.iter().skip(1)).map(|(b, c)| {
        let volume = apex.dot((*b - apex).cross(*c - apex));
        2.0 * volume.atan2(1.0 + apex.dot(*b) + b.dot(*c) + c.dot(apex))
    });
    let area: f64 = triangles.sum();
    if area < 0.0 { area + 4.0 * PI } else { area }
}
