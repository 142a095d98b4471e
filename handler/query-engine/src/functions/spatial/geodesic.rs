//! The ellipsoid WGS-84: latitudes and the length of the shortest line between two points.

use super::vector::Vector;

const EQUATORIAL_RADIUS: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
const POLAR_RADIUS: f64 = EQUATORIAL_RADIUS * (1.0 - FLATTENING);
const SQUARED_ECCENTRICITY: f64 = FLATTENING * (2.0 - FLATTENING);

/// The direction of a longitude and a latitude in degrees, with the reduced latitude.
pub(super) fn direction(longitude: f64, latitude: f64) -> Vector {
    let (sin, cos) = latitude.to_radians().sin_cos();
    Vector::of_angles(longitude.to_radians(), ((1.0 - FLATTENING) * sin).atan2(cos))
}

/// The radius of the sphere with the area of the ellipsoid, in meters.
pub(super) fn area_radius() -> f64 {
    EQUATORIAL_RADIUS * (area_of_latitude(1.0) / 2.0).sqrt()
}

/// The direction on the sphere with equal areas, of a longitude and a latitude in degrees.
pub(super) fn area_direction(longitude: f64, latitude: f64) -> Vector {
    let sin = area_of_latitude(latitude.to_radians().sin()) / area_of_latitude(1.0);
    Vector::of_angles(longitude.to_radians(), sin.clamp(-1.0, 1.0).asin())
}

/// The area between the equator and a latitude, given by its sine, in equatorial radii squared per radian of longitude,
/// times two.
fn area_of_latitude(sin: f64) -> f64 {
    let eccentricity = SQUARED_ECCENTRICITY.sqrt();
    let logarithm = ((1.0 - eccentricity * sin) / (1.0 + eccentricity * sin)).ln();
    (1.0 - SQUARED_ECCENTRICITY) * (sin / (1.0 - SQUARED_ECCENTRICITY * sin * sin) - logarithm / (2.0 * eccentricity))
}

/// The length of the shortest line between two directions with reduced latitudes, in meters.
pub(super) fn distance(a: Vector, b: Vector) -> f64 {
    inverse(a, b).unwrap_or_else(|| nearly_antipodal(a, b))
}

/// Vincenty's solution. `None` where it does not converge, which is nearly opposite of the first point.
fn inverse(a: Vector, b: Vector) -> Option<f64> {
    let ((longitude_a, latitude_a), (longitude_b, latitude_b)) = (a.angles(), b.angles());
    let difference = longitude_b - longitude_a;
    let (sin_a, cos_a) = latitude_a.sin_cos();
    let (sin_b, cos_b) = latitude_b.sin_cos();
    let mut lambda = difference;
    for _ in 0..100 {
        let (sin_lambda, cos_lambda) = lambda.sin_cos();
        let sin_sigma = (cos_b * sin_lambda).hypot(cos_a * sin_b - sin_a * cos_b * cos_lambda);
        if sin_sigma < 1e-15 && cos_a * cos_b * cos_lambda + sin_a * sin_b > 0.0 {
            return Some(0.0);
        }
        let cos_sigma = sin_a * sin_b + cos_a * cos_b * cos_lambda;
        let sigma = sin_sigma.atan2(cos_sigma);
        let sin_alpha = cos_a * cos_b * sin_lambda / sin_sigma;
        let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
        // On the equator the cosine is of no consequence.
        let cos_middle = if cos2_alpha > 1e-15 { cos_sigma - 2.0 * sin_a * sin_b / cos2_alpha } else { 0.0 };
        let c = FLATTENING / 16.0 * cos2_alpha * (4.0 + FLATTENING * (4.0 - 3.0 * cos2_alpha));
        let inner = cos_middle + c * cos_sigma * (2.0 * cos_middle * cos_middle - 1.0);
        let next = difference + (1.0 - c) * FLATTENING * sin_alpha * (sigma + c * sin_sigma * inner);
        let change = (next - lambda).abs();
        lambda = next;
        if lambda.abs() > 2.0 * std::f64::consts::PI || !lambda.is_finite() {
            return None;
        }
        if change < 1e-14 {
            return (sigma < 3.1).then(|| length(sigma, cos2_alpha, cos_middle));
        }
    }
    None
}

fn length(sigma: f64, cos2_alpha: f64, cos_middle: f64) -> f64 {
    let (sin_sigma, cos_sigma) = sigma.sin_cos();
    let u2 = cos2_alpha * (EQUATORIAL_RADIUS.powi(2) / POLAR_RADIUS.powi(2) - 1.0);
    let a = 1.0 + u2 / 16_384.0 * (4_096.0 + u2 * (-768.0 + u2 * (320.0 - 175.0 * u2)));
    let b = u2 / 1_024.0 * (256.0 + u2 * (-128.0 + u2 * (74.0 - 47.0 * u2)));
    let squared = cos_middle * cos_middle;
    let last = b / 6.0 * cos_middle * (4.0 * sin_sigma * sin_sigma - 3.0) * (4.0 * squared - 3.0);
    let correction = b * sin_sigma * (cos_middle + b / 4.0 * (cos_sigma * (2.0 * squared - 1.0) - last));
    POLAR_RADIUS * a * (sigma - correction)
}

/// Every line from a point to one nearly opposite crosses the great circle halfway. The shortest is the one over its best
/// point.
fn nearly_antipodal(a: Vector, b: Vector) -> f64 {
    let axis = if a.0[2].abs() < 0.9 { Vector([0.0, 0.0, 1.0]) } else { Vector([1.0, 0.0, 0.0]) };
    let right = a.cross(axis);
    let right = right * (1.0 / right.length());
    let up = right.cross(a);
    let over = |angle: f64| {
        let middle = right * angle.cos() + up * angle.sin();
        inverse(a, middle).unwrap_or(f64::INFINITY) + inverse(middle, b).unwrap_or(f64::INFINITY)
    };
    let step = std::f64::consts::TAU / 72.0;
    let coarse = (0..72).map(|index| f64::from(index) * step).min_by(|a, b| over(*a).total_cmp(&over(*b)));
    let best = coarse.unwrap_or_default();
    minimum(best - step, best + step, over)
}

/// The smallest value of a function that has one minimum between two arguments.
pub(super) fn minimum(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (function(left), function(right));
    for _ in 0..45 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = function(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = function(right);
        }
    }
    at_left.min(at_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_ellipsoid() {
        for ((longitude_a, latitude_a), (longitude_b, latitude_b), meters) in [
            ((0.0, 0.0), (0.0, 0.0), 0.0),
            ((0.0, 0.0), (1.0, 0.0), 111_319.490_793_273_57),
            ((179.5, 0.0), (-179.5, 0.0), 111_319.490_793_273_57),
            ((0.0, 0.0), (0.0, 90.0), 10_001_965.729_312),
            ((17.0, -90.0), (3.0, 90.0), 20_003_931.458_625),
            ((0.0, 0.0), (180.0, 0.0), 20_003_931.458_625),
            // Karney, Algorithms for geodesics (2013), table 4.
            ((0.0, -30.0), (179.8, 29.9), 19_989_832.827_61),
        ] {
            let length = distance(direction(longitude_a, latitude_a), direction(longitude_b, latitude_b));
            assert!((length - meters).abs() < 1e-3, "{length} is not {meters}");
            let reverse = distance(direction(longitude_b, latitude_b), direction(longitude_a, latitude_a));
            assert!((length - reverse).abs() < 1e-4, "{length} is not {reverse}");
        }
    }

    #[test]
    fn the_area_sphere_has_the_poles_and_the_equator_of_the_earth() {
        assert!((area_radius() - 6_371_007.180_9).abs() < 1e-3);
        assert!(area_direction(0.0, 90.0).is_same(Vector([0.0, 0.0, 1.0])));
        assert!(area_direction(0.0, 0.0).is_same(Vector([1.0, 0.0, 0.0])));
    }
}
