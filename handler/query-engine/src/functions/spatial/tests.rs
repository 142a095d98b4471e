//! Examples of spatial functions.

use serde_json::{Value, json};

use super::super::examples::{call, examples, undefined};

fn point(longitude: f64, latitude: f64) -> Value {
    json!({"type": "Point", "coordinates": [longitude, latitude]})
}

fn line(positions: &[[f64; 2]]) -> Value {
    json!({"type": "LineString", "coordinates": positions})
}

fn polygon(rings: &[&[[f64; 2]]]) -> Value {
    json!({"type": "Polygon", "coordinates": rings})
}

fn square(longitude: f64, latitude: f64, size: f64) -> Vec<[f64; 2]> {
    let (right, top) = (longitude + size, latitude + size);
    vec![[longitude, latitude], [right, latitude], [right, top], [longitude, top], [longitude, latitude]]
}

fn reversed(ring: &[[f64; 2]]) -> Vec<[f64; 2]> {
    ring.iter().rev().copied().collect()
}

#[track_caller]
fn assert_close(result: Option<Value>, expected: f64, relative: f64) {
    let result = result.and_then(|result| result.as_f64()).expect("a number");
    assert!((result - expected).abs() <= relative * expected.abs(), "{result} is not {expected}");
}

#[test]
fn documented_examples_of_validity() {
    examples! {
        ST_ISVALID({"type": "Point", "coordinates": [-84.38876194345323, 33.75682784306348]}) => true;
        ST_ISVALID({"type": "Point", "coordinates": [133.7568278430635, -184.38876194345323]}) => false;
        ST_ISVALID({"type": "Point", "coordinates": [31.9, -132.8]}) => false;
        ST_ISVALIDDETAILED({"type": "Point", "coordinates": [-84.38876194345323, 33.75682784306348]})
            => {"valid": true};
        ST_ISVALIDDETAILED({"type": "Point", "coordinates": [133.7568278430635, -184.38876194345323]})
            => {"valid": false, "reason": "Latitude values must be between -90 and 90 degrees."};
        ST_ISVALIDDETAILED({"type": "Polygon", "coordinates": [[[31.8, -5], [31.8, -4.7], [32, -4.7], [32, -5]]]})
            => {"valid": false, "reason": "The Polygon input is not valid because the start and end points of the ring number 1 are not the same. Each ring of a Polygon must have the same start and end points."};
    }
}

#[test]
fn documented_examples_of_measures() {
    let office = point(-122.11758113953535, 47.66901087006131);
    // The service differs from the geodesic by less than a ten-millionth.
    let headquarters = point(-122.12826822304672, 47.63980239335718);
    assert_close(call("ST_DISTANCE", &json!([headquarters, office])), 3_345.269_817_267_368, 1e-7);
    let research = point(-96.84368664765994, 46.81297794314663);
    assert_close(call("ST_DISTANCE", &json!([research, office])), 1_907_438.421_299_902, 1e-7);
    let area = polygon(&[&[[31.8, -5.0], [32.0, -5.0], [32.0, -4.7], [31.8, -4.7], [31.8, -5.0]]]);
    assert_close(call("ST_AREA", &json!([area])), 735_970_283.052_261_4, 1e-9);
}

#[test]
fn documented_examples_of_relations() {
    examples! {
        ST_WITHIN(
            {"type": "Point", "coordinates": [-122.12824857332558, 47.6395516675712]},
            {"type": "Polygon", "coordinates": [[
                [-122.13236581015025, 47.64606476313813], [-122.13221982500913, 47.633757091363975],
                [-122.11840598103835, 47.641749416109235], [-122.12061400629656, 47.64589264786028],
                [-122.13236581015025, 47.64606476313813]
            ]]}
        ) => true;
        ST_WITHIN(
            {"type": "Point", "coordinates": [31.9, -4.8]},
            {"type": "Polygon", "coordinates": [[[31.8, -5], [32, -5], [32, -4.7], [31.8, -4.7], [31.8, -5]]]}
        ) => true;
        ST_INTERSECTS(
            {"type": "Polygon", "coordinates": [[
                [-122.13693695285855, 47.64996065621003], [-122.1351662656516, 47.64627863318731],
                [-122.13488295569863, 47.646326350048696], [-122.1366182291613, 47.650016321952904],
                [-122.13693695285855, 47.64996065621003]
            ]]},
            {"type": "Polygon", "coordinates": [[
                [-122.14034847687708, 47.6494835188378], [-122.14014779899375, 47.64625477474044],
                [-122.13256925774829, 47.646207057813655], [-122.13254564858545, 47.64941990019193],
                [-122.14034847687708, 47.6494835188378]
            ]]}
        ) => true;
    }
}

#[test]
fn points_are_inside_outside_or_on_the_boundary_of_a_polygon() {
    let ring = square(10.0, 10.0, 2.0);
    let hole = reversed(&square(10.5, 10.5, 0.5));
    let with_hole = polygon(&[&ring, &hole]);
    let inverse = polygon(&[&reversed(&ring)]);
    let over_the_date_line = polygon(&[&[[179.0, -1.0], [-179.0, -1.0], [-179.0, 1.0], [179.0, 1.0], [179.0, -1.0]]]);
    let at_the_pole = polygon(&[&[[0.0, 80.0], [120.0, 80.0], [-120.0, 80.0], [0.0, 80.0]]]);
    let two = json!({"type": "MultiPolygon", "coordinates": [[ring], [square(20.0, 20.0, 1.0)]]});
    for (longitude, latitude, shape, within, intersects) in [
        (11.5, 11.5, &with_hole, true, true),
        (10.7, 10.7, &with_hole, false, false),
        (10.5, 10.7, &with_hole, false, true),
        (10.0, 11.0, &with_hole, false, true),
        (10.0, 10.0, &with_hole, false, true),
        (9.0, 11.0, &with_hole, false, false),
        (-169.0, -11.0, &with_hole, false, false),
        (11.0, 11.0, &inverse, false, false),
        (50.0, 50.0, &inverse, true, true),
        (-169.0, -11.0, &inverse, true, true),
        (180.0, 0.0, &over_the_date_line, true, true),
        (-179.5, 0.5, &over_the_date_line, true, true),
        (178.0, 0.0, &over_the_date_line, false, false),
        (0.0, 0.0, &over_the_date_line, false, false),
        (0.0, 90.0, &at_the_pole, true, true),
        (0.0, -90.0, &at_the_pole, false, false),
        (60.0, 70.0, &at_the_pole, false, false),
        (20.5, 20.5, &two, true, true),
        (11.0, 11.0, &two, true, true),
        (15.0, 15.0, &two, false, false),
    ] {
        let point = point(longitude, latitude);
        assert_eq!(call("ST_WITHIN", &json!([point, shape])), Some(json!(within)), "{point} within {shape}");
        for arguments in [json!([point, shape]), json!([shape, point])] {
            assert_eq!(call("ST_INTERSECTS", &arguments), Some(json!(intersects)), "{point} intersects {shape}");
        }
    }
}

#[test]
fn lines_and_polygons_are_within_a_polygon() {
    let outer = polygon(&[&square(0.0, 0.0, 4.0)]);
    let with_hole = polygon(&[&square(0.0, 0.0, 4.0), &reversed(&square(1.0, 1.0, 1.0))]);
    for (shape, other, within, intersects) in [
        (line(&[[0.5, 0.5], [3.0, 0.7]]), &outer, true, true),
        (line(&[[0.5, 0.5], [5.0, 0.7]]), &outer, false, true),
        (line(&[[0.0, 1.0], [0.0, 2.0]]), &outer, false, true),
        (line(&[[5.0, 1.0], [5.0, 2.0]]), &outer, false, false),
        (line(&[[-1.0, 2.0], [5.0, 2.0]]), &outer, false, true),
        (line(&[[0.5, 1.5], [3.0, 1.5]]), &with_hole, false, true),
        (line(&[[1.2, 1.5], [1.8, 1.5]]), &with_hole, false, false),
        (polygon(&[&square(1.0, 1.0, 1.0)]), &outer, true, true),
        (outer.clone(), &outer, true, true),
        (polygon(&[&square(0.5, 0.5, 2.0)]), &with_hole, false, true),
        (polygon(&[&square(2.5, 2.5, 1.0)]), &with_hole, true, true),
        (polygon(&[&square(3.0, 3.0, 2.0)]), &outer, false, true),
        (polygon(&[&square(-1.0, -1.0, 9.0)]), &outer, false, true),
        (polygon(&[&square(9.0, 9.0, 1.0)]), &outer, false, false),
    ] {
        assert_eq!(call("ST_WITHIN", &json!([shape, other])), Some(json!(within)), "{shape} within {other}");
        for arguments in [json!([shape, other]), json!([other, shape])] {
            assert_eq!(call("ST_INTERSECTS", &arguments), Some(json!(intersects)), "{shape} intersects {other}");
        }
    }
}

#[test]
fn shapes_of_fewer_dimensions() {
    let road = line(&[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]);
    for (shape, other, within) in [
        (point(1.0, 2.0), &point(1.0, 2.0), Some(true)),
        (point(1.0, 2.0), &point(1.0, 2.1), Some(false)),
        (point(180.0, 2.0), &point(-180.0, 2.0), Some(true)),
        (point(1.0, 0.0), &road, Some(true)),
        (point(2.0, 0.0), &road, Some(true)),
        (point(0.0, 0.0), &road, Some(false)),
        (point(1.0, 0.1), &road, Some(false)),
        (road.clone(), &point(1.0, 0.0), Some(false)),
        (polygon(&[&square(0.0, 0.0, 1.0)]), &road, Some(false)),
        (road.clone(), &road, None),
    ] {
        assert_eq!(call("ST_WITHIN", &json!([shape, other])), within.map(Value::Bool), "{shape} within {other}");
    }
    let crossing = line(&[[1.0, -1.0], [1.0, 1.0]]);
    assert_eq!(call("ST_INTERSECTS", &json!([crossing, road])), Some(json!(true)));
    // On the other side of the earth both great circles meet too.
    let opposite = line(&[[-179.0, -1.0], [-179.0, 1.0]]);
    assert_eq!(call("ST_INTERSECTS", &json!([opposite, road])), Some(json!(false)));
}

#[test]
fn distances_are_to_the_closest_points() {
    let degree = 111_319.490_793_273_57;
    let area = polygon(&[&square(0.0, -1.0, 2.0)]);
    let equator = line(&[[-10.0, 0.0], [10.0, 0.0]]);
    for (a, b, meters) in [
        (point(3.0, 0.0), &area, degree),
        (point(1.0, 0.0), &area, 0.0),
        (point(2.0, 0.5), &area, 0.0),
        (point(12.0, 0.0), &equator, 2.0 * degree),
        // A degree of latitude at the equator.
        (point(0.3, 1.0), &equator, 110_574.388_557_8),
        (line(&[[3.0, 0.0], [4.0, 5.0]]), &area, degree),
        (polygon(&[&square(3.0, -1.0, 2.0)]), &area, 111_302.649_769_7),
        (area.clone(), &area, 0.0),
    ] {
        for arguments in [json!([a, b]), json!([b, a])] {
            let result = call("ST_DISTANCE", &arguments).and_then(|result| result.as_f64()).expect("a number");
            assert!((result - meters).abs() < 0.01, "{a} {b}: {result} is not {meters}");
        }
    }
}

#[test]
fn areas_are_of_what_a_polygon_encloses() {
    let earth = 510_065_621_724_088.4;
    let ring = square(10.0, 10.0, 1.0);
    let area = |shape: &Value| call("ST_AREA", &json!([shape])).and_then(|area| area.as_f64()).expect("a number");
    let whole = area(&polygon(&[&ring]));
    let hole = square(10.2, 10.2, 0.5);
    let small = area(&polygon(&[&hole]));
    assert_close(Some(json!(area(&polygon(&[&ring, &reversed(&hole)])))), whole - small, 1e-9);
    assert_close(Some(json!(area(&polygon(&[&reversed(&ring)])))), earth - whole, 1e-9);
    let octant = polygon(&[&[[0.0, 0.0], [90.0, 0.0], [0.0, 90.0], [0.0, 0.0]]]);
    assert_close(Some(json!(area(&octant))), earth / 8.0, 1e-9);
    let two = json!({"type": "MultiPolygon", "coordinates": [[ring], [square(30.0, 10.0, 1.0)]]});
    assert_close(Some(json!(area(&two))), 2.0 * whole, 1e-9);
    // A square meter at the equator.
    let meter = 1.0 / 111_319.5;
    assert_close(Some(json!(area(&polygon(&[&square(10.0, 0.0, meter)])))), 0.993_3, 1e-3);
    examples! {
        ST_AREA({"type": "Point", "coordinates": [1, 2]}) => 0;
        ST_AREA({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}) => 0;
        ST_AREA({"type": "MultiPolygon", "coordinates": []}) => 0;
    }
}

#[test]
fn what_is_no_shape_is_undefined() {
    examples! {
        ST_DISTANCE({"type": "Point", "coordinates": [1, 2]}, {"type": "Point", "coordinates": [1, 92]}) => undefined;
        ST_DISTANCE({"type": "Point", "coordinates": [1, 2]}, null) => undefined;
        ST_DISTANCE({"type": "Point", "coordinates": [1, 2]}, undefined) => undefined;
        ST_WITHIN("POINT (1 2)", {"type": "Point", "coordinates": [1, 2]}) => undefined;
        ST_INTERSECTS({"type": "Point"}, {"type": "Point", "coordinates": [1, 2]}) => undefined;
        ST_AREA({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}) => undefined;
        ST_ISVALID(undefined) => undefined;
        ST_ISVALID(null) => false;
        ST_ISVALID("Point") => false;
        ST_ISVALID({"type": "point", "coordinates": [1, 2]}) => false;
        ST_ISVALID({"type": "Point", "coordinates": [1]}) => false;
        ST_ISVALID({"type": "Point", "coordinates": ["1", 2]}) => false;
        ST_ISVALID({"type": "Point", "coordinates": [181, 2]}) => false;
        ST_ISVALID({"type": "Point", "coordinates": [180, 90, 12.5]}) => true;
        ST_ISVALID({"type": "LineString", "coordinates": [[1, 2]]}) => false;
        ST_ISVALID({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}) => true;
        ST_ISVALID({"type": "Polygon", "coordinates": []}) => false;
        ST_ISVALID({"type": "Circle", "coordinates": [1, 2]}) => false;
    }
}

#[test]
fn shapes_with_too_many_edges_are_undefined() {
    let wave: Vec<[f64; 2]> = (0..3_000).map(|index| [f64::from(index) / 100.0, f64::from(index % 2)]).collect();
    let other: Vec<[f64; 2]> = wave.iter().map(|[longitude, latitude]| [*longitude, latitude + 10.0]).collect();
    assert_eq!(call("ST_DISTANCE", &json!([line(&wave), line(&other)])), None);
    assert_eq!(call("ST_INTERSECTS", &json!([line(&wave), line(&other)])), None);
    assert_eq!(call("ST_INTERSECTS", &json!([line(&wave), point(-1.0, 0.0)])), Some(json!(false)));
}
