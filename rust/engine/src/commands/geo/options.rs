//! The words of searches, in the order in which Redis complains of them.

use crate::error::{self, Error};
use crate::handler::{Args, Cursor};
use crate::number::parse_i64;
use crate::values::geo::{Point, Shape};
use crate::values::zset::{ZsetView, parse_score};

/// Takes a longitude and a latitude.
#[inline]
pub fn place(words: &mut Cursor<'_>) -> Result<Point, Error> {
    let longitude = float(words, error::NOT_FLOAT)?;
    let latitude = float(words, error::NOT_FLOAT)?;
    let point = Point { longitude, latitude };
    if point.is_valid() {
        return Ok(point);
    }
    Err(Error::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

fn float(words: &mut Cursor<'_>, otherwise: Error) -> Result<f64, Error> {
    parse_score(words.expect_word()?).ok_or(otherwise)
}

/// How many metres a unit has.
pub fn unit(word: &[u8]) -> Result<f64, Error> {
    let units: [(&[u8], f64); 4] = [(b"M", 1.0), (b"KM", 1000.0), (b"FT", 0.3048), (b"MI", 1609.34)];
    let found = units.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, metres)| metres).ok_or(error::GEO_UNIT)
}

/// In which order members are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were found.
    Any,
    /// The nearest first.
    NearestFirst,
    /// The farthest first.
    FarthestFirst,
}

/// Which words a command knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// GEORADIUS.
    Radius,
    /// GEORADIUSBYMEMBER.
    RadiusByMember,
    /// `GEORADIUS_RO`.
    RadiusReadOnly,
    /// `GEORADIUSBYMEMBER_RO`.
    RadiusByMemberReadOnly,
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

impl Dialect {
    /// Whether the area is described by options.
    pub const fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }
}

/// What a search is to do.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Options {
    /// What is searched; `None` for GEORADIUSBYMEMBER of no key, which does not read it.
    pub shape: Option<Shape>,
    /// Around which place.
    pub center: Point,
    /// Metres of the unit in which distances are told.
    pub metres: f64,
    /// Whether distances are told.
    pub with_distance: bool,
    /// Whether scores are told.
    pub with_hash: bool,
    /// Whether places are told.
    pub with_place: bool,
    /// Members at most; 0: all.
    pub count: u64,
    /// Whether whatever members are found first will do.
    pub any: bool,
    /// In which order.
    pub order: Order,
    /// Whether the result is stored.
    pub is_stored: bool,
    /// Whether distances become the scores of what is stored.
    pub stores_distance: bool,
    is_around_member: bool,
    is_around_place: bool,
}

impl Options {
    /// Reads all words. `zset` is what is searched, in which members may be named.
    pub fn read(args: Args<'_>, dialect: Dialect, zset: Option<ZsetView<'_>>) -> Result<Self, Error> {
        let mut options = Self {
            shape: None,
            center: Point::default(),
            metres: 1.0,
            with_distance: false,
            with_hash: false,
            with_place: false,
            count: 0,
            any: false,
            order: Order::Any,
            is_stored: dialect == Dialect::SearchStore,
            stores_distance: false,
            is_around_member: false,
            is_around_place: false,
        };
        let mut words = match dialect {
            Dialect::Radius | Dialect::RadiusReadOnly => {
                let mut words = args.cursor(2);
                options.center = place(&mut words)?;
                options.read_circle(&mut words)?;
                words
            }
            Dialect::RadiusByMember | Dialect::RadiusByMemberReadOnly => {
                if let Some(zset) = zset {
                    options.center = member_place(zset, args.word(2))?;
                    options.read_circle(&mut args.cursor(3))?;
                }
                args.cursor(5)
            }
            Dialect::Search => args.cursor(2),
            Dialect::SearchStore => args.cursor(3),
        };
        while !words.is_done() {
            let known = options.read_common(&mut words)?
                || (dialect.is_search() && options.read_area(&mut words, zset)?)
                || options.read_store(&mut words, dialect);
            if !known {
                return Err(error::SYNTAX);
            }
        }
        options.check(args, dialect)?;
        Ok(options)
    }

    /// Takes a radius and its unit.
    fn read_circle(&mut self, words: &mut Cursor<'_>) -> Result<(), Error> {
        let radius = float(words, error::GEO_RADIUS)?;
        if radius < 0.0 {
            return Err(error::GEO_RADIUS_NEGATIVE);
        }
        self.metres = unit(words.expect_word()?)?;
        self.shape = Some(Shape::Circle { radius: radius * self.metres });
        Ok(())
    }

    /// Takes a width, a height and their unit.
    fn read_box(&mut self, words: &mut Cursor<'_>) -> Result<(), Error> {
        let width = float(words, error::GEO_WIDTH)?;
        let height = float(words, error::GEO_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(error::GEO_BOX_NEGATIVE);
        }
        self.metres = unit(words.expect_word()?)?;
        self.shape = Some(Shape::Box { width: width * self.metres, height: height * self.metres });
        Ok(())
    }

    /// Takes a number of corners, and them.
    fn read_polygon(&mut self, words: &mut Cursor<'_>) -> Result<(), Error> {
        let count = parse_i64(words.expect_word()?).and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or(error::GEO_VERTICES)?;
        let count = usize::try_from(count).unwrap_or_default();
        if count < 3 || words.left() / 2 < count {
            return Err(error::GEO_VERTICES_FEW);
        }
        let corners = (0..count).map(|_| place(words)).collect::<Result<Vec<_>, _>>()?;
        self.metres = 1.0;
        self.shape = Some(Shape::Polygon(corners));
        Ok(())
    }

    /// Takes an option that all searches have; false if it is another one.
    fn read_common(&mut self, words: &mut Cursor<'_>) -> Result<bool, Error> {
        if words.keyword("WITHDIST") {
            self.with_distance = true;
        } else if words.keyword("WITHHASH") {
            self.with_hash = true;
        } else if words.keyword("WITHCOORD") {
            self.with_place = true;
        } else if words.keyword("ANY") {
            self.any = true;
        } else if words.keyword("ASC") {
            self.order = Order::NearestFirst;
        } else if words.keyword("DESC") {
            self.order = Order::FarthestFirst;
        } else if words.left() > 1 && words.keyword("COUNT") {
            let count = words.integer()?;
            self.count = u64::try_from(count).ok().filter(|count| *count > 0).ok_or(error::GEO_COUNT)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes an option that says where to search; false if it is another one, or does not go with those before.
    fn read_area(&mut self, words: &mut Cursor<'_>, zset: Option<ZsetView<'_>>) -> Result<bool, Error> {
        let (is_circle, is_box, is_polygon) = match self.shape {
            None => (false, false, false),
            Some(Shape::Circle { .. }) => (true, false, false),
            Some(Shape::Box { .. }) => (false, true, false),
            Some(Shape::Polygon(_)) => (false, false, true),
        };
        let left = words.left();
        if left > 1 && !self.is_around_place && !is_polygon && words.keyword("FROMMEMBER") {
            let member = words.expect_word()?;
            // Without a sorted set all words are read, but nothing is looked for.
            self.center = zset.map_or(Ok(self.center), |zset| member_place(zset, member))?;
            self.is_around_member = true;
        } else if left > 2 && !self.is_around_member && !is_polygon && words.keyword("FROMLONLAT") {
            self.center = place(words)?;
            self.is_around_place = true;
        } else if left > 2 && !is_box && !is_polygon && words.keyword("BYRADIUS") {
            self.read_circle(words)?;
        } else if left > 3 && !is_circle && !is_polygon && words.keyword("BYBOX") {
            self.read_box(words)?;
        } else if left > 2 && !is_circle && !is_box && !self.has_center() && words.keyword("BYPOLYGON") {
            self.read_polygon(words)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes an option that says where the result goes; false if it is another one.
    fn read_store(&mut self, words: &mut Cursor<'_>, dialect: Dialect) -> bool {
        match dialect {
            // The key plan found the key: that behind the last of these.
            Dialect::Radius | Dialect::RadiusByMember if words.left() > 1 => {
                let is_distance = words.keyword("STOREDIST");
                let is_known = is_distance || words.keyword("STORE");
                if is_known {
                    (self.is_stored, self.stores_distance) = (true, is_distance);
                    words.next_word();
                }
                is_known
            }
            Dialect::SearchStore if words.keyword("STOREDIST") => {
                self.stores_distance = true;
                true
            }
            _ => false,
        }
    }

    const fn has_center(&self) -> bool {
        self.is_around_member || self.is_around_place
    }

    /// Refuses options that do not go together.
    fn check(&self, args: Args<'_>, dialect: Dialect) -> Result<(), Error> {
        if self.is_stored && (self.with_distance || self.with_hash || self.with_place) {
            return Err(if dialect.is_search() { error::GEOSEARCHSTORE_WITH } else { error::GEORADIUS_STORE_WITH });
        }
        if dialect.is_search() {
            let one_of = |names: &str| {
                let command = String::from_utf8_lossy(args.word(0));
                Error::text(format!("ERR exactly one of {names} can be specified for {command}"))
            };
            if !self.has_center() && !matches!(self.shape, Some(Shape::Polygon(_))) {
                return Err(one_of("FROMMEMBER or FROMLONLAT"));
            }
            if self.shape.is_none() {
                return Err(one_of("BYRADIUS, BYBOX and BYPOLYGON"));
            }
        }
        if self.any && self.count == 0 { Err(error::GEO_ANY) } else { Ok(()) }
    }
}

/// The place of a member in the middle of a search.
fn member_place(zset: ZsetView<'_>, member: &[u8]) -> Result<Point, Error> {
    let place = zset.score(member).map(Point::from_score);
    place.ok_or_else(|| Error::text(format!("ERR member {} does not exist", String::from_utf8_lossy(member))))
}
