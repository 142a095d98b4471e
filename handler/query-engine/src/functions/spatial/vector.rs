//! Directions from the center of the earth, and arcs between them.
//!
//! The latitude of a direction is the reduced one: the ellipsoid stretched to a sphere. Planes through the center stay
//! planes, so that the shortest line on that sphere is the elliptic arc that the service has for an edge.

use std::ops::{Add, Mul, Sub};

/// Directions closer than this are one, in radians: six micrometers on the ground.
const SAME: f64 = 1e-12;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector(pub [f64; 3]);

impl Vector {
    /// The direction of a longitude and a latitude in radians.
    pub(super) fn of_angles(longitude: f64, latitude: f64) -> Self {
        let (sin, cos) = latitude.sin_cos();
        Self([cos * longitude.cos(), cos * longitude.sin(), sin])
    }

    /// The longitude and the latitude in radians.
    pub(super) fn angles(self) -> (f64, f64) {
        let [x, y, z] = self.0;
        (y.atan2(x), z.atan2(x.hypot(y)))
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.0.iter().zip(other.0).map(|(a, b)| a * b).sum()
    }

    pub(super) fn cross(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([b * z - c * y, c * x - a * z, a * y - b * x])
    }

    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    pub(super) fn is_same(self, other: Self) -> bool {
        (self - other).length() < SAME
    }

    /// The normal of the plane of two directions, with their left side positive. The difference makes it exact for close
    /// directions.
    pub(super) fn normal(self, to: Self) -> Self {
        self.cross(to - self)
    }
}

impl Add for Vector {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([a + x, b + y, c + z])
    }
}

impl Sub for Vector {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl Mul<f64> for Vector {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0.map(|part| part * factor))
    }
}

/// The shorter arc between two directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arc {
    pub from: Vector,
    pub to: Vector,
}

impl Arc {
    fn angle(self) -> f64 {
        self.from.normal(self.to).length().atan2(self.from.dot(self.to))
    }

    /// The direction at a fraction of the arc.
    pub(super) fn at(self, fraction: f64) -> Vector {
        let angle = self.angle();
        if angle < SAME {
            return self.from;
        }
        let sum = self.from * ((1.0 - fraction) * angle).sin() + self.to * (fraction * angle).sin();
        sum * (1.0 / sum.length())
    }

    /// The fraction at which the arc is closest to a direction.
    pub(super) fn closest(self, direction: Vector) -> f64 {
        let normal = self.from.normal(self.to);
        let length = normal.length();
        if length < SAME {
            return 0.0;
        }
        let normal = normal * (1.0 / length);
        let along = normal.dot(self.from.cross(direction)).atan2(self.from.dot(direction));
        let fraction = along / self.angle();
        if (0.0..=1.0).contains(&fraction) {
            return fraction;
        }
        if (direction - self.from).length() <= (direction - self.to).length() { 0.0 } else { 1.0 }
    }

    pub(super) fn contains(self, direction: Vector) -> bool {
        self.at(self.closest(direction)).is_same(direction)
    }

    /// Whether the arcs have a direction in common.
    pub(super) fn intersects(self, other: Self) -> bool {
        self.crosses(other)
            || self.contains(other.from)
            || self.contains(other.to)
            || other.contains(self.from)
            || other.contains(self.to)
    }

    /// Whether each arc goes from one side of the other to its other side.
    pub(super) fn crosses(self, other: Self) -> bool {
        let (normal, other_normal) = (self.from.normal(self.to), other.from.normal(other.to));
        let side = -normal.dot(other.from);
        // All four signs are equal only where the arcs meet, not where one meets the opposite of the other.
        side * normal.dot(other.to) > 0.0
            && side * -other_normal.dot(self.to) > 0.0
            && side * other_normal.dot(self.from) > 0.0
            && ![other.from, other.to].into_iter().any(|end| self.contains(end))
            && ![self.from, self.to].into_iter().any(|end| other.contains(end))
    }
}
