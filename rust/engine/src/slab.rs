//! A list of values with places that stay the same.

/// Values at numbered places; a place is reused after its value was removed.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Stores a value and tells its place.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = Some(value);
            return place;
        }
        let place = u32::try_from(self.places.len()).expect("fewer than 2^32 places");
        self.places.push(Some(value));
        place
    }

    /// The value at a place.
    ///
    /// # Panics
    /// If there is none: a place is only known to the blob that owns it.
    #[inline]
    pub fn get(&self, place: u32) -> &T {
        self.places[place as usize].as_ref().expect("a blob's place is occupied")
    }

    /// The value at a place, to be changed.
    ///
    /// # Panics
    /// If there is none.
    pub fn get_mut(&mut self, place: u32) -> &mut T {
        self.places[place as usize].as_mut().expect("a blob's place is occupied")
    }

    /// Takes the value out of a place.
    ///
    /// # Panics
    /// If there is none.
    pub fn remove(&mut self, place: u32) -> T {
        let value = self.places[place as usize].take().expect("a blob's place is occupied");
        self.free.push(place);
        if self.free.len() == self.places.len() {
            *self = Self::default();
        }
        value
    }

    /// Heap bytes of the list itself.
    pub fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Option<T>>() + self.free.capacity() * size_of::<u32>()
    }
}
