//! Sorting where speed is not the question.

/// The items in order, those that are equal as they came. For short lists and for boot: every item is put in its place by
/// itself, so the time grows with the square of their number.
///
/// The sort of the standard library is 7 KiB of machine code for every type that it sorts; this is some hundred bytes.
pub(crate) fn sorted<T>(items: impl IntoIterator<Item = T>, not_after: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut sorted = Vec::new();
    for item in items {
        let place = sorted.partition_point(|other| not_after(other, &item));
        sorted.insert(place, item);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::sorted;

    #[test]
    fn equal_items_stay_as_they_came() {
        let items = [(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd'), (1, 'e')];
        let order = sorted(items, |one, other| one.0 <= other.0);
        assert_eq!(order, [(0, 'd'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'c')]);
        assert!(sorted(Vec::<u8>::new(), |one, other| one <= other).is_empty());
    }
}
