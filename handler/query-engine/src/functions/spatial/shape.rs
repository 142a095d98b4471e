//! Shapes as directions, arcs and regions, and what they have in common.

use super::geodesic::{self, minimum};
use super::geojson::{Geometry, Position};
use super::region::{Region, Side};
use super::vector::{Arc, Vector};

/// The most pairs of edges that two shapes may have. More would take minutes.
const MAX_PAIRS: usize = 4_000_000;
/// How many pairs of a position and an edge get an exact distance, of those that are closest on the sphere.
const EXACT_PAIRS: usize = 16;

/// A shape on the earth.
pub(super) struct Shape {
    positions: Vec<Vector>,
    arcs: Vec<Arc>,
    regions: Vec<Region>,
}

impl Shape {
    pub(super) fn new(geometry: &Geometry) -> Self {
        let direction = |position: &Position| geodesic::direction(position.longitude, position.latitude);
        match geometry {
            Geometry::Point(position) => Self { positions: vec![direction(position)], arcs: vec![], regions: vec![] },
            Geometry::LineString(line) => {
                let positions: Vec<Vector> = line.iter().map(direction).collect();
                let next = positions.iter().skip(1);
                let arcs = positions.iter().zip(next).map(|(from, to)| Arc { from: *from, to: *to }).collect();
                Self { positions, arcs, regions: vec![] }
            }
            Geometry::Polygons(polygons) => {
                let regions: Vec<Region> = polygons
                    .iter()
                    .map(|rings| Region::new(rings.iter().map(|ring| ring.iter().map(direction).collect())))
                    .collect();
                let arcs: Vec<Arc> = regions.iter().flat_map(Region::arcs).collect();
                Self { positions: arcs.iter().map(|arc| arc.from).collect(), arcs, regions }
            }
        }
    }

    fn is_comparable(&self, other: &Self) -> bool {
        self.positions.len().saturating_mul(other.positions.len()) <= MAX_PAIRS
    }

    /// Inside if it is inside of one polygon, else on the boundary if it is on that of one.
    fn side(&self, direction: Vector) -> Side {
        let sides = self.regions.iter().map(|region| region.side(direction));
        sides.max().unwrap_or(Side::Outside)
    }

    fn touches(&self, direction: Vector) -> bool {
        self.side(direction) != Side::Outside
            || self.arcs.iter().any(|arc| arc.contains(direction))
            || self.positions.iter().any(|position| position.is_same(direction))
    }

    /// Whether the shapes have a point in common; `None` if they have too many edges.
    pub(super) fn intersects(&self, other: &Self) -> Option<bool> {
        if !self.is_comparable(other) {
            return None;
        }
        Some(
            self.positions.iter().any(|position| other.touches(*position))
                || other.positions.iter().any(|position| self.touches(*position))
                || self.arcs.iter().any(|arc| other.arcs.iter().any(|other| arc.intersects(*other))),
        )
    }

    /// Whether this shape is part of the other, and not only of its boundary; `None` if they have too many edges, or for two
    /// LineStrings, whose relation the documentation does not settle.
    pub(super) fn is_within(&self, other: &Self) -> Option<bool> {
        if !self.is_comparable(other) {
            return None;
        }
        if !other.regions.is_empty() {
            return Some(self.is_within_regions(other));
        }
        match (self.arcs.is_empty(), other.arcs.is_empty()) {
            (true, true) => self.intersects(other),
            (true, false) => {
                let ends = [other.positions.first(), other.positions.last()];
                let is_end = |position: &Vector| ends.into_iter().flatten().any(|end| end.is_same(*position));
                Some(self.positions.iter().all(|position| other.touches(*position) && !is_end(position)))
            }
            (false, false) if self.regions.is_empty() => None,
            // A shape is within none of fewer dimensions.
            (false, _) => Some(false),
        }
    }

    fn is_within_regions(&self, other: &Self) -> bool {
        let middles = self.arcs.iter().map(|arc| arc.at(0.5));
        let sides: Vec<Side> =
            self.positions.iter().copied().chain(middles).map(|direction| other.side(direction)).collect();
        if sides.contains(&Side::Outside) {
            return false;
        }
        // A polygon may be inside of a boundary that it follows; a point or a line has to leave the boundary.
        if self.regions.is_empty() && !sides.contains(&Side::Inside) {
            return false;
        }
        let crosses = self.arcs.iter().any(|arc| other.arcs.iter().any(|other| arc.crosses(*other)));
        // Of a hole inside this shape.
        let has_hole = other.positions.iter().any(|position| self.side(*position) == Side::Inside);
        !crosses && !has_hole
    }

    /// The shortest distance in meters; `None` if they have too many edges.
    pub(super) fn distance(&self, other: &Self) -> Option<f64> {
        if let ([a], [b]) = (&*self.positions, &*other.positions) {
            return Some(geodesic::distance(*a, *b));
        }
        if self.intersects(other)? {
            return Some(0.0);
        }
        let mut pairs: Vec<(f64, Vector, Arc, f64)> = Vec::new();
        for (shape, lines) in [(self, other), (other, self)] {
            for position in &shape.positions {
                for arc in &lines.edges() {
                    let fraction = arc.closest(*position);
                    let pair = ((arc.at(fraction) - *position).length(), *position, *arc, fraction);
                    if pairs.len() < EXACT_PAIRS {
                        pairs.push(pair);
                    } else if let Some(farthest) = pairs.iter_mut().max_by(|a, b| a.0.total_cmp(&b.0))
                        && pair.0 < farthest.0
                    {
                        *farthest = pair;
                    }
                }
            }
        }
        pairs.into_iter().map(|(_, position, arc, fraction)| shortest(position, arc, fraction)).min_by(f64::total_cmp)
    }

    /// The arcs, or the one position of a Point as an arc without a length.
    fn edges(&self) -> Vec<Arc> {
        if self.arcs.is_empty() {
            return self.positions.iter().map(|position| Arc { from: *position, to: *position }).collect();
        }
        self.arcs.clone()
    }
}

/// The distance of a position to an arc. The closest fraction on the sphere is near that on the ellipsoid.
fn shortest(position: Vector, arc: Arc, fraction: f64) -> f64 {
    let at = |fraction: f64| geodesic::distance(position, arc.at(fraction));
    let (low, high) = ((fraction - 0.05).max(0.0), (fraction + 0.05).min(1.0));
    minimum(low, high, at).min(at(fraction))
}
