//! The price of a ride.

use crate::events::Place;

const BASE_CENTS: f64 = 250.0;
const CENTS_PER_KM: f64 = 140.0;
const EARTH_RADIUS_KM: f64 = 6_371.0;

/// The fare in cents, from the straight-line distance.
pub(super) fn fare(from: Place, to: Place) -> i64 {
    // No distance on earth leaves the range.
    (BASE_CENTS + CENTS_PER_KM * distance_km(from, to)).round() as i64
}

/// By the haversine formula.
fn distance_km(from: Place, to: Place) -> f64 {
    let (lat1, lat2) = (from.lat.to_radians(), to.lat.to_radians());
    let half_lat = (lat2 - lat1) / 2.0;
    let half_lon = (to.lon - from.lon).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + lat1.cos() * lat2.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_km_and_standing_still_costs_the_base() {
        let (here, north) = (Place { lat: 37.0, lon: 127.0 }, Place { lat: 38.0, lon: 127.0 });
        assert!((distance_km(here, north) - 111.2).abs() < 0.1);
        assert_eq!(fare(here, here), 250);
    }
}
