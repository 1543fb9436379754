//! The words that made-up rows are made of.

/// A category, where its posts begin among the 11,154 real ones, and words that its posts use.
pub(super) struct Category {
    /// As the column `category` has it.
    pub name: &'static str,
    /// The first index of the category in the real table.
    pub start: u64,
    /// For titles, descriptions and posters' names.
    pub words: &'static [&'static str],
    /// For `tag_list`.
    pub tags: &'static [&'static str],
}

/// So many rows do the starts of the categories stand for.
pub(super) const ROWS_REAL: u64 = 11_154;

/// In the order of the real table.
pub(super) const CATEGORIES: [Category; 13] = [
    Category {
        name: "art",
        start: 0,
        words: &["Watercolour", "Sketch", "Canvas", "Portrait", "Gouache", "Mural"],
        tags: &["Life Drawing", "Ink On Paper", "Colour Theory", "Abstract Canvas", "Gallery Wall", "Clay & Glaze"],
    },
    Category {
        name: "beauty",
        start: 893,
        words: &["Lipstick", "Serum", "Eyeliner", "Curls", "Moisturiser", "Manicure"],
        tags: &["Evening Skin Care", "Nail Colours", "Natural Curls", "Bridal Makeup", "Face Masks", "Quick Braids"],
    },
    Category {
        name: "christmas",
        start: 1640,
        words: &["Wreath", "Stocking", "Advent", "Gingerbread", "Ornament", "Mistletoe"],
        tags: &["Advent Calendars", "Paper Stars", "Tree Toppers", "Gift Wrapping", "Winter Porch", "Cookie Swap"],
    },
    Category {
        name: "diy-and-crafts",
        start: 2636,
        words: &["Crochet", "Origami", "Macrame", "Glue", "Pallet", "Needlework"],
        tags: &[
            "Rainy Day Crafts",
            "Felt Animals",
            "Sewing For Beginners",
            "Scrap Wood",
            "Beads & Wire",
            "Paper Flowers",
        ],
    },
    Category {
        name: "education",
        start: 3467,
        words: &["Classroom", "Phonics", "Worksheet", "Fractions", "Homework", "Spelling"],
        tags: &["Number Games", "Reading Corner", "Science Fair", "Lesson Plans", "Quiet Time", "Map Skills"],
    },
    Category {
        name: "event-planning",
        start: 4330,
        words: &["Venue", "Banquet", "Invitation", "Centrepiece", "Seating", "Catering"],
        tags: &["Garden Party", "Table Plans", "Budget Wedding", "Corporate Retreat", "Balloon Arch", "Place Cards"],
    },
    Category {
        name: "finance",
        start: 5078,
        words: &["Budget", "Savings", "Mortgage", "Invoice", "Pension", "Frugal"],
        tags: &["No Spend Month", "Debt Payoff", "Side Income", "Meal Budget", "First Investment", "Tax Season"],
    },
    Category {
        name: "home-decor",
        start: 5864,
        words: &["Rug", "Lampshade", "Hallway", "Terracotta", "Shelf", "Curtain"],
        tags: &["Small Hallways", "Warm Lighting", "Open Shelves", "Linen & Wool", "Rental Friendly", "Attic Bedroom"],
    },
    Category {
        name: "mens-fashion",
        start: 6722,
        words: &["Blazer", "Denim", "Loafers", "Overcoat", "Cufflinks", "Knitwear"],
        tags: &["Smart Casual", "Autumn Layers", "Raw Denim", "Suit & Tie", "Weekend Bags", "Leather Boots"],
    },
    Category {
        name: "quotes",
        start: 7574,
        words: &["Courage", "Gratitude", "Proverb", "Wisdom", "Patience", "Motto"],
        tags: &["Morning Words", "Short Proverbs", "Words For Friends", "Letter Board", "Kind Thoughts", "Poems"],
    },
    Category {
        name: "tattoos",
        start: 8487,
        words: &["Sleeve", "Linework", "Dotwork", "Compass", "Swallow", "Mandala"],
        tags: &["Fine Line", "Wrist Pieces", "Botanical Ink", "Cover Ups", "Tiny Symbols", "Sailor Flash"],
    },
    Category {
        name: "travel",
        start: 9457,
        words: &["Itinerary", "Island", "Backpack", "Harbour", "Train", "Lagoon"],
        tags: &["Slow Travel", "Night Trains", "Packing Lists", "Hidden Beaches", "City Breaks", "Mountain Huts"],
    },
    Category {
        name: "vehicles",
        start: 10_313,
        words: &["Roadster", "Camper", "Engine", "Motorbike", "Chrome", "Tractor"],
        tags: &["Classic Coupes", "Van Conversion", "Trail Bikes", "Garage Goals", "Electric Cars", "Rally"],
    },
];

/// Between the words of the category.
pub(super) const COMMON: [&str; 48] = [
    "the", "a", "for", "and", "with", "your", "my", "how", "to", "make", "easy", "best", "ideas", "that", "you",
    "will", "love", "of", "in", "this", "simple", "new", "from", "our", "ways", "things", "every", "day", "little",
    "free", "guide", "tips", "home", "big", "year", "when", "on", "old", "week", "perfect", "quick", "at", "lovely",
    "more", "than", "10", "25", "without",
];

/// Ends of posters' names.
pub(super) const POSTERS: [&str; 16] = [
    "Studio",
    "& Co",
    "Diaries",
    "by Nora",
    "Journal",
    "House",
    "Collective",
    "with Sam",
    "Notes",
    "Corner",
    "Lab",
    "Daily",
    "Blog",
    "Market",
    "of Leeds",
    "Workshop",
];

/// Sorted, so that crowding at the least shows as it does in the real data.
pub(super) const FIRST_NAMES: [&str; 40] = [
    "Aaron", "Abby", "Ada", "Adele", "Alan", "Amir", "Anouk", "Anya", "Bea", "Boris", "Carla", "Chloé", "Dara",
    "Dimitri", "Elsa", "Emeka", "Farid", "Fiona", "Greta", "Hana", "Idris", "Ines", "Jonas", "Kofi", "Lena", "Malik",
    "Marta", "Nadia", "Oskar", "Petra", "Quentin", "Rosa", "Samir", "Tara", "Ugo", "Vera", "Wanda", "Xavier", "Yusuf",
    "Zoë",
];

/// Sorted.
pub(super) const LAST_NAMES: [&str; 40] = [
    "Abbot", "Abara", "Adeyemi", "Ahlgren", "Ames", "Aydin", "Baker", "Banerjee", "Bell", "Castro", "Chen", "Cole",
    "Dubois", "Eriksen", "Ferrari", "Flynn", "Gomez", "Hale", "Hughes", "Ibarra", "Jensen", "Kaur", "Kovacs", "Lopez",
    "Mensah", "Moreau", "Nakamura", "Novak", "O'Neill", "Okafor", "Peters", "Quinn", "Rossi", "Silva", "Tanaka",
    "Ueda", "Vargas", "Weiss", "Young", "Zimmer",
];

/// Sorted.
pub(super) const COUNTRIES: [&str; 64] = [
    "Afghanistan",
    "Albania",
    "Algeria",
    "American Samoa",
    "Andorra",
    "Angola",
    "Anguilla",
    "Antarctica (the territory South of 60 deg S)",
    "Antigua and Barbuda",
    "Argentina",
    "Armenia",
    "Aruba",
    "Australia",
    "Austria",
    "Azerbaijan",
    "Bahamas",
    "Barbados",
    "Belgium",
    "Bolivia",
    "Bouvet Island (Bouvetoya)",
    "Brazil",
    "Bulgaria",
    "Cambodia",
    "Canada",
    "Chile",
    "Colombia",
    "Cote d'Ivoire",
    "Croatia",
    "Denmark",
    "Ecuador",
    "Egypt",
    "Estonia",
    "Fiji",
    "Finland",
    "France",
    "Georgia",
    "Ghana",
    "Greece",
    "Guinea-Bissau",
    "Honduras",
    "Iceland",
    "India",
    "Italy",
    "Jamaica",
    "Japan",
    "Kenya",
    "Latvia",
    "Malta",
    "Mexico",
    "Nepal",
    "Norway",
    "Oman",
    "Peru",
    "Poland",
    "Portugal",
    "Qatar",
    "Samoa",
    "Senegal",
    "Spain",
    "Thailand",
    "Tunisia",
    "Uruguay",
    "Vietnam",
    "Zambia",
];

/// What people put into texts, within the Basic Multilingual Plane.
pub(super) const BEYOND_ASCII: [&str; 12] =
    ["Don’t", "“must see”", "café", "Ünique", "déjà vu", "you’ll…", "–", "\u{a0}", "★", "naïve", "日本", "Кухня"];

/// And beyond it.
pub(super) const EMOJI: [&str; 6] = ["🎄", "✨🎨", "😍", "👩‍🍳", "🚗", "🏝️🌊"];

/// Quotation marks that JSON must escape.
pub(super) const QUOTED: [&str; 4] = ["\"how to\"", "12\" x 16\"", "\"yes\"", "the \"one\""];
