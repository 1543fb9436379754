//! What generated texts are made of.

/// The categories, and the first row of each in a table of 11,154 rows.
pub const CATEGORIES: &[(u32, &str)] = &[
    (0, "art"),
    (893, "beauty"),
    (1640, "christmas"),
    (2636, "diy-and-crafts"),
    (3467, "education"),
    (4330, "event-planning"),
    (5078, "finance"),
    (5864, "home-decor"),
    (6722, "mens-fashion"),
    (7574, "quotes"),
    (8487, "tattoos"),
    (9457, "travel"),
    (10313, "vehicles"),
];

/// Words of titles and descriptions.
pub const WORDS: &[&str] = &[
    "Autumn", "Balcony", "Basket", "Before", "Better", "Bright", "Budget", "Canvas", "Checklist", "Clever", "Cosy",
    "Cotton", "Dinner", "Dream", "Easy", "Evening", "Every", "Favourite", "Fifteen", "First", "Fresh", "Garden",
    "Gentle", "Gift", "Golden", "Guide", "Handmade", "Happy", "Hidden", "Holiday", "How", "Ideas", "Inspired", "Journey",
    "Kitchen", "Large", "Lemon", "Letters", "Linen", "List", "Little", "Lovely", "Make", "Minimal", "Modern", "Morning",
    "Mountain", "Natural", "Never", "Ocean", "Outfit", "Paper", "Pattern", "Plan", "Pocket", "Quick", "Quiet", "Rainy",
    "Recipe", "Road", "Rustic", "Saving", "Seven", "Silver", "Simple", "Sketch", "Slow", "Small", "Spring", "Stories",
    "Street", "Style", "Summer", "Tiny", "Tips", "Today", "Together", "Tutorial", "Under", "Velvet", "Vintage", "Warm",
    "Weekend", "Winter", "Wooden", "Yellow", "for", "from", "in", "of", "that", "the", "to", "with", "without", "your",
];

/// Beyond ASCII: quotes, dashes, accents, other scripts, a blank that does not break, and signs outside the BMP.
pub const SYMBOLS: &[&str] = &[
    "you’ll", "don’t", "“home”", "–", "•", "½", "café", "déco", "naïve", "Idées", "Zürich", "señora", "más", "Łódź",
    "hygge\u{a0}style", "✨", "❤️", "🎄", "🏡", "🚗💨", "手作り", "путь",
];

/// How a text ends.
pub const CLOSERS: &[&str] = &["", "", "", "", "", ".", "!", "...", " ✨", " - part 2", " | Blog", "?"];

/// What posters and tags are about.
pub const TOPICS: &[&str] = &[
    "Atelier", "Bakery", "Budget", "Camping", "Ceramics", "Cottage", "Craft", "Cycling", "Design", "Family", "Garage",
    "Garden", "Harbour", "Ink", "Kitchen", "Library", "Market", "Motor", "Nomad", "Paper", "Party", "Portrait", "School",
    "Sewing", "Studio", "Tailor", "Travel", "Wedding", "Workshop", "Yarn",
];

/// What follows in a poster's name.
pub const NAME_ENDINGS: &[&str] =
    &["Club", "Corner", "Daily", "Diary", "Girl", "Guy", "House", "Journal", "Lab", "Notes", "Society", "& Co", "Éditions"];

/// First names.
pub const FIRST_NAMES: &[&str] = &[
    "Adele", "Agnes", "Amir", "Anna", "Anton", "Beatrix", "Boris", "Carla", "Cedric", "Clara", "Daniel", "Diana", "Edith",
    "Elena", "Emil", "Esther", "Felix", "Fiona", "Frida", "Gustav", "Hana", "Helen", "Igor", "Ines", "Jonas", "José",
    "Judith", "Karim", "Lena", "Leo", "Lucia", "Magnus", "Mara", "Mateo", "Mina", "Nadia", "Noah", "Olga", "Oscar",
    "Paula", "Pedro", "Quentin", "Rosa", "Ruth", "Samir", "Sofia", "Tariq", "Thea", "Victor", "Zoë",
];

/// Last names.
pub const LAST_NAMES: &[&str] = &[
    "Adler", "Ahmed", "Almeida", "Andersen", "Baker", "Becker", "Bianchi", "Bishop", "Carter", "Castro", "Chen", "Cohen",
    "Costa", "Dubois", "Evans", "Fischer", "Fontaine", "Garcia", "Grant", "Hansen", "Haddad", "Horvath", "Ito", "Jensen",
    "Kaya", "Keller", "Khan", "Kovacs", "Larsen", "Lopez", "Marin", "Mbeki", "Meyer", "Moreau", "Nguyen", "Novak",
    "O'Brien", "Okafor", "Park", "Petrov", "Quinn", "Rossi", "Sato", "Silva", "Tanaka", "Urban", "Vega", "Weber",
    "Young", "de la Cruz",
];

/// Countries, in alphabetical order: the smallest of several is often an early one.
pub const COUNTRIES: &[&str] = &[
    "Afghanistan", "Albania", "Algeria", "American Samoa", "Andorra", "Angola", "Antarctica (the territory South of 60 deg S)",
    "Argentina", "Armenia", "Aruba", "Australia", "Austria", "Azerbaijan", "Bahamas", "Bangladesh", "Barbados", "Belgium",
    "Bermuda", "Bolivia", "Bouvet Island (Bouvetoya)", "Brazil", "Bulgaria", "Cambodia", "Canada", "Chile", "Colombia",
    "Cote d'Ivoire", "Croatia", "Cuba", "Denmark", "Ecuador", "Egypt", "Estonia", "Fiji", "Finland", "France", "Georgia",
    "Germany", "Ghana", "Greece", "Guatemala", "Hungary", "Iceland", "India", "Ireland", "Italy", "Jamaica", "Japan",
    "Kenya", "Lao People's Democratic Republic", "Latvia", "Libyan Arab Jamahiriya", "Madagascar", "Malta", "Mexico",
    "Mongolia", "Morocco", "Nepal", "Netherlands", "New Zealand", "Nigeria", "Norway", "Oman", "Panama", "Peru",
    "Poland", "Portugal", "Qatar", "Romania", "Rwanda", "Samoa", "Senegal", "Slovakia (Slovak Republic)", "Spain",
    "Sweden", "Switzerland", "Thailand", "Tonga", "Turkey", "Uganda", "Uruguay", "Vanuatu", "Viet Nam", "Yemen", "Zambia",
    "Zimbabwe",
];
