//! Made-up addresses, and a clock that stands still.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn at(address: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.parse().unwrap(), 1))
}

/// The `n`th of 200 000 addresses, every other one IPv6.
fn nth(n: u32) -> Option<SocketAddr> {
    let address = match n % 2 {
        0 => IpAddr::from((0x0a00_0000 + n).to_be_bytes()),
        _ => IpAddr::from((u128::from(0x2001_0db8_0000_0000 + u64::from(n)) << 64).to_be_bytes()),
    };
    Some(SocketAddr::new(address, 1))
}

/// Entries of both tables, and of the queue beside the second.
fn sizes(throttle: &Throttle) -> (usize, usize, usize) {
    let tables = throttle.tables();
    (tables.open.len(), tables.begun.len(), tables.windows.len())
}

#[test]
fn an_address_has_so_many_at_a_time() {
    let throttle = Throttle::new(Some(2), None);
    let first = throttle.admit(at("10.0.0.1")).ok();
    let _second = throttle.admit(at("10.0.0.1")).ok().unwrap();
    assert_eq!(throttle.admit(at("10.0.0.1")).err(), Some(Refused::TooMany));
    assert!(throttle.admit(at("10.0.0.2")).is_ok());
    assert!(throttle.admit(None).is_ok(), "who has no address is nobody's");
    drop(first);
    assert!(throttle.admit(at("10.0.0.1")).is_ok());
}

#[test]
fn sl_9_ipv6_is_counted_by_its_network_and_ipv4_in_either_spelling() {
    let throttle = Throttle::new(Some(1), None);
    let _one = throttle.admit(at("2001:db8:0:1::1")).ok().unwrap();
    assert_eq!(throttle.admit(at("2001:db8:0:1:ffff::2")).err(), Some(Refused::TooMany));
    let _other = throttle.admit(at("2001:db8:0:2::1")).ok().unwrap();
    let _four = throttle.admit(at("192.0.2.1")).ok().unwrap();
    assert_eq!(throttle.admit(at("::ffff:192.0.2.1")).err(), Some(Refused::TooMany));
    assert!(throttle.admit(at("::ffff:192.0.2.2")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn sl_9_how_many_and_how_often_are_two_counters() {
    let throttle = Throttle::new(Some(2), Some((3, MINUTE)));
    // Closing gives back the place, not the beginning.
    for _ in 0..3 {
        drop(throttle.admit(at("10.0.0.1")).ok().unwrap());
    }
    assert_eq!(throttle.admit(at("10.0.0.1")).err(), Some(Refused::TooOften));
    assert!(throttle.admit(at("10.0.0.2")).is_ok());
    tokio::time::advance(MINUTE - Duration::from_millis(1)).await;
    assert_eq!(throttle.admit(at("10.0.0.1")).err(), Some(Refused::TooOften), "a refusal does not prolong it");
    tokio::time::advance(Duration::from_millis(1)).await;
    let _open = [throttle.admit(at("10.0.0.1")).ok().unwrap(), throttle.admit(at("10.0.0.1")).ok().unwrap()];
    // Refused for there being two: that beginning does not count.
    assert_eq!(throttle.admit(at("10.0.0.1")).err(), Some(Refused::TooMany));
    drop(_open);
    assert!(throttle.admit(at("10.0.0.1")).is_ok());
    assert_eq!(throttle.admit(at("10.0.0.1")).err(), Some(Refused::TooOften));
}

#[tokio::test(start_paused = true)]
async fn sl_9_a_storm_of_200_000_addresses_leaves_nothing_behind() {
    let throttle = Throttle::new(Some(1), Some((1, MINUTE)));
    for n in 0..200_000 {
        drop(throttle.admit(nth(n)).ok().unwrap());
        if n % 64 != 0 {
            continue;
        }
        let (open, begun, windows) = sizes(&throttle);
        assert!(open == 0 && begun <= ENTRIES_MAX && windows == begun, "{open} {begun} {windows}");
    }
    assert_eq!(sizes(&throttle), (0, ENTRIES_MAX, ENTRIES_MAX));
    // The oldest were forgotten, the latest were not.
    assert_eq!(throttle.admit(nth(199_999)).err(), Some(Refused::TooOften));
    assert!(throttle.admit(nth(0)).is_ok());
    tokio::time::advance(MINUTE).await;
    drop(throttle.admit(nth(7)).ok().unwrap());
    assert_eq!(sizes(&throttle), (0, 1, 1));
    let tables = throttle.tables();
    assert!(tables.begun.capacity() < 1024 && tables.windows.capacity() < 1024 && tables.open.capacity() < 1024);
}

#[tokio::test(start_paused = true)]
async fn sl_9_a_storm_that_stays_is_bounded_and_leaves_nothing_behind() {
    let throttle = Throttle::new(Some(1), None);
    let storm: Vec<_> = (0..200_000).map(|n| throttle.admit(nth(n)).ok().unwrap()).collect();
    assert_eq!(sizes(&throttle), (ENTRIES_MAX, 0, 0));
    // Those that are counted still are; those that found the table full are not.
    assert_eq!(throttle.admit(nth(0)).err(), Some(Refused::TooMany));
    assert!(throttle.admit(nth(199_999)).is_ok());
    drop(storm);
    assert_eq!(sizes(&throttle), (0, 0, 0));
    assert!(throttle.tables().open.capacity() < 1024);
}

#[test]
fn without_limits_nothing_is_counted() {
    let throttle = Throttle::new(None, None);
    let _held: Vec<_> = (0..100).map(|n| throttle.admit(nth(n)).ok().unwrap()).collect();
    assert_eq!(sizes(&throttle), (0, 0, 0));
}
