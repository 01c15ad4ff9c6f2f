"""What the generated shop sells: kinds of products, and what may be asked of each.

The table is our own common sense, written down. Values of one option must differ for the reward,
which compares sets of words: ``"queen"`` and ``"queen xl"`` would be the same to it, and so would
``"12 inch"`` and ``"10 inch"``. A test holds that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One category of products.

    Attributes:
        category: Path from the general to the particular.
        nouns: What such a product is called.
        number: ``"one"`` (a lamp), ``"many"`` (jeans), ``"mass"`` (shampoo).
        prices: (lowest, highest) usual price.
        attributes: What may be asked of it; names of `wording.ATTRIBUTES`.
        options: What the buyer chooses: option name -> all values.
        uses: What it is good for, for the prose.
        held_out: Only the unseen split asks for it.
    """

    category: tuple[str, str, str]
    nouns: tuple[str, ...]
    number: str
    prices: tuple[float, float]
    attributes: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    uses: tuple[str, ...]
    held_out: bool


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _kind(
    path: str,
    nouns: str,
    prices: tuple[float, float],
    attributes: str,
    uses: str,
    number: str = "one",
    held_out: bool = False,
    **options: str,
) -> Kind:
    department, group, name = path.split(" > ")
    return Kind(
        (department, group, name),
        _list(nouns),
        number,
        prices,
        _list(attributes),
        {option.replace("_", " "): _list(values) for option, values in options.items()},
        _list(uses),
        held_out,
    )


_WEAR = "black, white, navy, gray, burgundy, olive, teal, mustard, lavender, pink"
_PLAIN = "black, white, silver, navy, red, teal"
_HOME = "ivory, gray, navy, sage, terracotta, mustard, charcoal, blush"
_SIZES = "small, medium, large, xl, 2xl, 3xl"
_WOMENS_SHOE = "5, 6, 7, 8, 9, 10, 11"
_MENS_SHOE = "7, 8, 9, 10, 11, 12, 13"
_PACKS = "single, 2 pack, 4 pack, 6 pack"

KINDS: tuple[Kind, ...] = (
    # ── clothing ──
    _kind(
        "clothing > men's clothing > hoodies",
        "men's hoodie, men's hooded sweatshirt",
        (22, 68),
        "fleece lined, kangaroo pocket, drawstring hood, machine washable, organic cotton, "
        "relaxed fit, slim fit, moisture wicking, ribbed cuffs, tagless, cold weather",
        "cool evenings, lazy Sundays, walks with the dog",
        color=_WEAR,
        size=_SIZES,
    ),
    _kind(
        "clothing > men's clothing > dress shirts",
        "men's dress shirt",
        (24, 72),
        "wrinkle free, button down collar, slim fit, relaxed fit, machine washable, stretchy, "
        "chest pocket, french cuffs, office wear, breathable, linen blend, long sleeves",
        "weddings and interviews, client meetings, dinners out",
        color="white, black, sky blue, lavender, gray, pink, burgundy",
        size=_SIZES,
    ),
    _kind(
        "clothing > men's clothing > jeans",
        "men's jeans",
        (28, 90),
        "straight leg, stretchy, slim fit, relaxed fit, button fly, zipper closure, "
        "recycled denim, five pockets, machine washable, fade resistant, breathable",
        "weekends in town, casual Fridays, work around the house",
        "many",
        color="black, indigo, gray, khaki, white, olive",
        waist="28, 30, 32, 34, 36, 38, 40",
        inseam="short, regular, extra long",
    ),
    _kind(
        "clothing > women's clothing > dresses",
        "women's midi dress, women's wrap dress",
        (26, 95),
        "side pockets, long sleeves, short sleeves, v neck, elastic waist, machine washable, "
        "wrinkle free, breathable, summer parties, linen blend, fully lined",
        "garden weddings, holidays by the sea, Sunday brunch",
        color=_WEAR,
        size=_SIZES,
    ),
    _kind(
        "clothing > women's clothing > leggings",
        "women's leggings",
        (15, 58),
        "high waist, side pockets, tummy control, moisture wicking, squat proof, stretchy, "
        "bamboo viscose, cold weather, quick drying, fleece lined, yoga practice",
        "early runs, long flights, days on the sofa",
        "many",
        color=_WEAR,
        size=_SIZES,
        length="capri, ankle, full",
    ),
    _kind(
        "clothing > women's clothing > cardigans",
        "women's cardigan, women's knit cardigan",
        (24, 85),
        "button front, open front, v neck, side pockets, merino wool, organic cotton, "
        "machine washable, ribbed cuffs, cold weather, long sleeves, office wear",
        "drafty rooms, autumn afternoons, layering over a blouse",
        color=_WEAR,
        size=_SIZES,
    ),
    _kind(
        "clothing > outerwear > rain jackets",
        "rain jacket, hooded raincoat",
        (35, 140),
        "waterproof, windproof, packable, adjustable hood, taped seams, zippered pockets, "
        "breathable, reflective, recycled polyester, mesh lining, bike commuting",
        "stormy commutes, festivals, coastal walks",
        held_out=True,
        color="yellow, black, navy, olive, red, teal",
        size=_SIZES,
    ),
    _kind(
        "clothing > sleepwear > pajama sets",
        "pajama set",
        (20, 70),
        "organic cotton, bamboo viscose, button front, elastic waist, side pockets, long sleeves, "
        "short sleeves, hot sleepers, tagless, machine washable, v neck",
        "slow mornings, film nights, a good sleep",
        color=_WEAR,
        size=_SIZES,
        pattern="solid, striped, plaid, floral",
    ),
    # ── shoes ──
    _kind(
        "shoes > women's shoes > trail running shoes",
        "women's trail running shoe",
        (45, 140),
        "waterproof, breathable, slip resistant, lightweight, arch support, wide toe box, "
        "reflective trim, removable insole, quick lacing, recycled mesh, flat feet",
        "forest paths, muddy hills, half marathons",
        color="black, teal, gray, purple, pink, navy",
        size=_WOMENS_SHOE,
        width="narrow, regular, wide",
    ),
    _kind(
        "shoes > men's shoes > walking shoes",
        "men's walking shoe",
        (38, 120),
        "slip resistant, lightweight, breathable, arch support, memory foam, flat feet, "
        "hook and loop closure, wide toe box, machine washable, all day standing, vegan leather",
        "city breaks, museum days, the daily mile",
        color="black, white, gray, navy, brown",
        size=_MENS_SHOE,
        width="regular, wide, extra broad",
    ),
    _kind(
        "shoes > boots > hiking boots",
        "hiking boot",
        (60, 190),
        "waterproof, insulated, ankle support, steel shank, slip resistant, full grain leather, "
        "wide toe box, reinforced toe cap, quick lacing, lightweight, rocky ground",
        "mountain huts, wet valleys, long treks",
        held_out=True,
        color="brown, black, gray, olive, tan",
        size=_MENS_SHOE,
    ),
    _kind(
        "shoes > women's shoes > sandals",
        "women's sandal",
        (22, 85),
        "arch support, adjustable straps, slip resistant, cork footbed, vegan leather, "
        "full grain leather, platform sole, quick drying, lightweight, beach days, memory foam",
        "warm cities, boat trips, terraces in July",
        color="tan, black, white, silver, coral, navy",
        size=_WOMENS_SHOE,
    ),
    _kind(
        "shoes > slippers > house slippers",
        "house slipper",
        (14, 55),
        "memory foam, fleece lined, machine washable, slip resistant, open back, merino wool, "
        "arch support, indoor and outdoor use, hard sole, faux fur, cold floors",
        "tiled kitchens, winter evenings, coming home",
        color="gray, black, brown, pink, navy, olive",
        size=_WOMENS_SHOE,
    ),
    # ── beauty ──
    _kind(
        "beauty > skin care > face moisturizers",
        "face moisturizer, face cream",
        (9, 48),
        "fragrance free, cruelty free, oil free, sensitive skin, dry skin, hyaluronic acid, "
        "vitamin c, paraben free, vegan, spf 30, shea butter",
        "simple morning routines, heated offices, windy winters",
        size="1 ounce, 2 fl oz, 100 ml",
        scent="unscented, rose water, green tea, cucumber",
    ),
    _kind(
        "beauty > skin care > sunscreens",
        "sunscreen lotion",
        (8, 34),
        "water resistant, reef safe, zinc oxide, fragrance free, oil free, vegan, sensitive skin, "
        "cruelty free, broad spectrum, non-greasy, young children",
        "noon at the beach, high altitudes, gardening",
        "mass",
        held_out=True,
        protection="spf 30, factor 50, ultra 70",
        size="100 ml, 6 ounce, family bottle",
    ),
    _kind(
        "beauty > hair care > shampoos",
        "shampoo",
        (7, 36),
        "sulfate free, paraben free, cruelty free, color treated hair, dry scalp, argan oil, "
        "tea tree oil, vegan, curly hair, biotin, fragrance free",
        "frequent washing, hard water, swimmers",
        "mass",
        size="8 ounce, 12 fl oz, 1 liter",
        scent="unscented, coconut, lavender, citrus",
    ),
    _kind(
        "beauty > hair care > hair serums",
        "hair serum",
        (9, 40),
        "rosemary extract, vitamin e, biotin, cruelty free, vegan, curly hair, frizz control, "
        "non-greasy, damaged hair, paraben free, heat protection, cold pressed",
        "dull lengths, blow-dried styles, humid summers",
        size="1 ounce, 50 ml, 4 fl oz",
        scent="unscented, coconut, jasmine, vanilla",
    ),
    _kind(
        "beauty > makeup > lipsticks",
        "lipstick",
        (6, 30),
        "long lasting, cruelty free, vegan, matte finish, glossy finish, vitamin e, smudge proof, "
        "shea butter, fragrance free, paraben free, dry lips",
        "the office, evenings out, photographs",
        shade="ruby, coral, plum, nude, berry, fuchsia, cocoa",
        pack="single, 2 pack, 4 pack",
    ),
    _kind(
        "beauty > makeup > eyeshadow palettes",
        "eyeshadow palette",
        (9, 46),
        "long lasting, cruelty free, vegan, highly pigmented, built-in mirror, shimmer shades, "
        "matte shades, sensitive eyes, talc free, blendable, travel use",
        "day and night looks, beginners, stage makeup",
        shade="warm earth, cool smoke, sunset, peach, jewel tones",
        pans="9 pan, 18 color, 40 piece",
    ),
    _kind(
        "beauty > oral care > electric toothbrushes",
        "electric toothbrush",
        (18, 110),
        "rechargeable, two minute timer, waterproof, pressure sensor, travel case, soft bristles, "
        "whitening mode, sensitive gums, quiet, usb charging, long battery life",
        "healthy gums, busy mornings, fewer dentist bills",
        color="white, black, pink, navy, mint",
        set="2 heads, 4 pack, eight refills",
    ),
    # ── electronics ──
    _kind(
        "electronics > audio > headphones",
        "over-ear headphones",
        (25, 190),
        "noise cancelling, wireless, foldable, long battery life, built-in microphone, "
        "memory foam, deep bass, carrying case, quick charging, lightweight, gaming",
        "open offices, long flights, late-night records",
        "many",
        color="black, white, silver, navy, rose gold",
        plug="usb c, 3.5 mm jack, lightning",
    ),
    _kind(
        "electronics > audio > earbuds",
        "in-ear earbuds",
        (15, 130),
        "noise cancelling, water resistant, charging case, touch controls, deep bass, "
        "long battery life, small ears, ear hooks, low latency, sweatproof, built-in microphone",
        "the gym, podcasts on the bus, quick calls",
        "many",
        color="black, white, teal, pink, gray",
        tips="silicone, foam, hybrid",
    ),
    _kind(
        "electronics > audio > speakers",
        "bluetooth speaker",
        (18, 160),
        "waterproof, dustproof, portable, long battery life, deep bass, stereo pairing, "
        "built-in microphone, carrying strap, shockproof, pool parties, quick charging",
        "picnics, kitchens, garages",
        color="black, red, teal, gray, camo",
        power="10 watt, 20w, forty watt",
    ),
    _kind(
        "electronics > phone accessories > phone cases",
        "phone case",
        (8, 42),
        "shockproof, raised edges, slim profile, card holder, wireless charging, kickstand, "
        "scratch resistant, recycled plastic, non-slip, camera protection, fingerprint resistant",
        "clumsy hands, building sites, crowded bags",
        color="black, clear, navy, pink, sage, lavender",
        model="iphone 15, pixel 9, galaxy s24, moto g",
    ),
    _kind(
        "electronics > phone accessories > charging cables",
        "charging cable",
        (6, 32),
        "fast charging, braided, tangle free, right angle plug, data transfer, led indicator, "
        "magnetic tip, reinforced joints, car use, retractable, carrying case",
        "desks and bedsides, airports, shared flats",
        color="black, white, red, gray",
        length="1 foot, 3 ft, 6 feet, ten feet",
        connector="usb c, lightning, micro usb",
    ),
    _kind(
        "electronics > phone accessories > power banks",
        "power bank",
        (16, 80),
        "fast charging, slim profile, digital display, two usb ports, built-in cable, "
        "wireless charging, shockproof, camping trips, solar panel, flashlight, airline approved",
        "festivals, long train rides, power cuts",
        held_out=True,
        color="black, white, blue, green",
        capacity="5000 mah, 10k mah, 20k, 30 thousand mah",
        connector="usb c, lightning, micro usb",
    ),
    _kind(
        "electronics > computers > keyboards",
        "computer keyboard",
        (20, 150),
        "wireless, backlit, mechanical, quiet, hot swappable keys, wrist rest, ergonomic, "
        "numeric keypad, spill resistant, rechargeable, gaming",
        "writers and coders, shared desks, home studies",
        color="black, white, gray, pink",
        layout="us english, uk, german, french",
        switches="red, blue, brown",
    ),
    _kind(
        "electronics > computers > laptop stands",
        "laptop stand",
        (16, 75),
        "adjustable, foldable, ventilated, non-slip, cable slot, aluminum, bamboo, standing work, "
        "rotating base, portable, phone holder",
        "video calls, stiff necks, kitchen-table offices",
        color="silver, black, white, rose gold",
        size="13 inch, up to 15, 17in",
    ),
    _kind(
        "electronics > wearables > fitness trackers",
        "fitness tracker",
        (28, 150),
        "waterproof, heart rate monitor, sleep tracking, built-in gps, long battery life, "
        "step counter, swimmers, blood oxygen sensor, always-on display, lightweight, "
        "quick charging",
        "new resolutions, marathon plans, desk workers",
        color="black, white, pink, teal, navy",
        band="small, large, extra long",
    ),
    # ── home ──
    _kind(
        "home > bedding > sheet sets",
        "bed sheet set",
        (22, 120),
        "organic cotton, bamboo viscose, deep pockets, wrinkle free, machine washable, "
        "hot sleepers, cooling, hypoallergenic, sensitive skin, elastic corners, fade resistant, "
        "pilling resistant",
        "guest rooms, summer nights, a fresh start",
        color=_HOME,
        size="twin, full, queen, king",
    ),
    _kind(
        "home > bedding > pillows",
        "bed pillow",
        (16, 85),
        "memory foam, down alternative fill, hypoallergenic, cooling, side sleepers, "
        "back sleepers, machine washable, adjustable fill, removable cover, neck pain, "
        "bamboo viscose",
        "restless sleepers, spare beds, hotel comfort",
        size="standard, queen, king",
        pack="single, 2 pack, 4 pack",
        firmness="soft, medium, firm",
    ),
    _kind(
        "home > bedding > throw blankets",
        "throw blanket",
        (18, 90),
        "machine washable, faux fur, merino wool, organic cotton, reversible, fringed edges, "
        "weighted, cooling, hypoallergenic, pet friendly, knitted",
        "reading chairs, picnics, chilly feet",
        held_out=True,
        color=_HOME,
        size="40 by 50, 50x60, 60 x 80 inches",
    ),
    _kind(
        "home > decor > curtains",
        "window curtains",
        (18, 95),
        "blackout, sheer, grommet top, rod pocket, machine washable, insulated, noise reducing, "
        "linen blend, flame retardant, wrinkle free, french doors",
        "nurseries, street-facing rooms, rented flats",
        "many",
        color=_HOME,
        length="63 inches, 84in, 108 long",
    ),
    _kind(
        "home > decor > area rugs",
        "area rug",
        (30, 240),
        "non-slip backing, machine washable, stain resistant, low pile, high pile, pet friendly, "
        "jute, recycled polyester, high traffic areas, indoor and outdoor use, fade resistant, "
        "fringed edges",
        "bare floors, dining rooms, echoing halls",
        color=_HOME,
        size="2x3, 4x6, 5x8, 8x10",
        shape="round, rectangle, runner",
    ),
    _kind(
        "home > lighting > table lamps",
        "table lamp",
        (20, 110),
        "dimmable, usb port, touch control, linen shade, pull chain, energy efficient, "
        "ceramic base, nightstands, bamboo, cordless, remote control",
        "reading corners, dark hallways, late letters",
        color="white, black, brass, sage, navy",
        size="12 inch, 18in, twenty four inches",
    ),
    _kind(
        "home > furniture > bar stools",
        "bar stool",
        (45, 210),
        "swivel seat, height adjustable, footrest, padded seat, solid wood, metal frame, "
        "backrest, stackable, easy assembly, vegan leather, kitchen islands",
        "breakfast counters, basements, studio flats",
        color="black, walnut, white, gray, teal",
        height="24 inch, 26in, thirty inches",
        pack="single, 2 pack, 4 pack",
    ),
    _kind(
        "home > furniture > bookshelves",
        "bookshelf, bookcase",
        (40, 230),
        "solid wood, adjustable shelves, anti-tip kit, metal frame, easy assembly, small spaces, "
        "wall mounted, closed cabinet, rustic finish, scratch resistant, open back",
        "growing libraries, plants and frames, home offices",
        held_out=True,
        color="white, black, oak, walnut",
        height="3 tier, four shelves, 5 levels",
    ),
    # ── kitchen ──
    _kind(
        "kitchen > cookware > frying pans",
        "frying pan, skillet",
        (18, 95),
        "nonstick, stay-cool handle, oven safe, dishwasher safe, induction compatible, pfoa free, "
        "cast iron, stainless steel, glass lid, lightweight, pour spouts",
        "omelets and steaks, weeknight suppers, first kitchens",
        color="black, red, gray, copper, teal",
        size="8 inch, 10in, twelve inches",
    ),
    _kind(
        "kitchen > cookware > dutch ovens",
        "dutch oven",
        (35, 190),
        "cast iron, enamel coating, oven safe, dishwasher safe, induction compatible, "
        "loop handles, self-basting lid, bread baking, glass lid, chip resistant, nonstick",
        "stews and roasts, cold Sundays, big families",
        held_out=True,
        color="red, navy, cream, teal, black",
        capacity="3 quart, 5 qt, seven liters",
    ),
    _kind(
        "kitchen > cutlery > chef knives",
        "chef knife",
        (20, 150),
        "high carbon steel, damascus steel, full tang, dishwasher safe, ergonomic handle, "
        "rust resistant, blade guard, hand forged, left handed cooks, hammered blade, "
        "well balanced, wooden handle",
        "onions by the pound, ambitious cooks, wedding lists",
        size="6 inch, 8in, ten inches",
        handle_color="black, walnut, red, white",
    ),
    _kind(
        "kitchen > appliances > blenders",
        "countertop blender",
        (28, 180),
        "glass jar, bpa free, dishwasher safe, quiet, pulse mode, smoothies, variable speed, "
        "stainless steel blades, ice crushing, travel cup, self cleaning",
        "soups and sauces, breakfast in a hurry, frozen drinks",
        color="black, white, red, silver, mint",
        power="500 watt, 1000w, 1.5 kw",
    ),
    _kind(
        "kitchen > appliances > kettles",
        "electric kettle",
        (20, 110),
        "automatic shutoff, temperature control, bpa free, cordless, gooseneck spout, "
        "borosilicate glass, stainless steel, keep warm mode, quiet, boil dry protection, "
        "pour over coffee",
        "tea rituals, office kitchens, instant noodles",
        color="black, white, silver, red, sage",
        capacity="1 liter, 1.7 l, half gallon",
    ),
    _kind(
        "kitchen > storage > food containers",
        "food storage container set",
        (14, 62),
        "bpa free, leakproof, microwave safe, dishwasher safe, freezer safe, airtight, stackable, "
        "borosilicate glass, meal prep, divided compartments, stain resistant",
        "leftovers, packed lunches, tidy pantries",
        color="clear, teal, gray, pink",
        pieces="10 piece, set of 16, two dozen",
    ),
    _kind(
        "kitchen > drinkware > travel mugs",
        "travel mug, insulated tumbler",
        (11, 45),
        "leakproof, vacuum insulated, dishwasher safe, bpa free, stainless steel, "
        "ceramic coating, car cup holders, flip lid, tea infuser, rubber grip, one hand use",
        "early trains, school runs, cold stadiums",
        color="black, white, navy, sage, red, lavender",
        size="12 ounce, 16 oz, twenty fl oz",
    ),
    # ── garden ──
    _kind(
        "garden > hand tools > pruning shears",
        "pruning shears",
        (11, 58),
        "high carbon steel, safety lock, ergonomic, rust resistant, left handed gardeners, "
        "bypass blades, anvil blades, shock absorbing, lightweight, small hands, sap groove, "
        "leather holster",
        "roses and fruit trees, hedges, cut flowers",
        "many",
        color="red, green, orange, black",
        size="6 inch, 8in, ten inches",
    ),
    _kind(
        "garden > planters > plant pots",
        "plant pot, planter",
        (9, 70),
        "drainage holes, self watering, saucer, uv protected, recycled plastic, glazed ceramic, "
        "terracotta, lightweight, frost proof, succulents, indoor and outdoor use, herbs",
        "balconies, window sills, front steps",
        color="white, black, sage, mustard, gray, blush",
        size="4 inch, 8in, twelve inches",
        pack=_PACKS,
    ),
    _kind(
        "garden > watering > garden hoses",
        "garden hose",
        (18, 85),
        "kink free, expandable, brass fittings, lightweight, leakproof, spray nozzle, "
        "drinking water safe, natural rubber, uv protected, car washing, storage bag, burst proof",
        "dry lawns, vegetable beds, muddy boots",
        color="green, black, blue, orange",
        length="25 ft, fifty feet, 100 foot",
    ),
    _kind(
        "garden > outdoor lighting > solar lights",
        "solar path light set",
        (16, 75),
        "waterproof, motion sensor, warm white light, color changing, easy installation, "
        "stainless steel, walkways, auto on and off, long battery life, remote control, "
        "frost proof",
        "driveways, flower beds, summer parties after sunset",
        held_out=True,
        color="black, bronze, silver, white",
        pack="4 pack, set of 8, dozen",
    ),
    # ── toys ──
    _kind(
        "toys > building toys > building blocks",
        "building block set",
        (14, 75),
        "bpa free, storage box, toddlers, natural wood, magnetic pieces, baseplate, "
        "early learning, rounded edges, group play, recycled plastic, non-toxic",
        "rainy days, kindergartens, grandparents' houses",
        theme="castle, farm, city, space, animals",
        count="40 piece, set of 100, 250 bricks",
    ),
    _kind(
        "toys > plush toys > stuffed animals",
        "stuffed animal, plush toy",
        (9, 48),
        "machine washable, hypoallergenic, embroidered eyes, organic cotton, recycled polyester, "
        "newborns, weighted body, removable clothes, calming sound, extra soft, bedtime, "
        "crinkle ears",
        "first friends, long car rides, brave visits to the doctor",
        animal="bear, rabbit, elephant, fox, sloth, penguin",
        size="small, medium, jumbo",
    ),
    _kind(
        "toys > puzzles > jigsaw puzzles",
        "jigsaw puzzle",
        (10, 42),
        "thick cardboard, linen finish, bonus poster, random cut pieces, adults, families, "
        "dust free, storage bag, glow in the dark, recycled cardboard, large pieces",
        "long winters, quiet holidays, shared tables",
        motif="old harbor, mountain lake, cats, world map, cottage",
        count="300 piece, five hundred, 1000 pc",
    ),
    _kind(
        "toys > games > board games",
        "board game",
        (14, 65),
        "cooperative play, solo play, short rounds, wooden pieces, families, adults, "
        "party nights, travel use, expansion cards, language learning, easy rules",
        "evenings without screens, cabins, clever children",
        held_out=True,
        theme="pirates, space, trains, mystery, farming",
        players="2 players, up to 4, six or more",
        edition="classic, deluxe, pocket",
    ),
    # ── sports ──
    _kind(
        "sports > yoga > yoga mats",
        "yoga mat, exercise mat",
        (14, 90),
        "non-slip, extra thick, carrying strap, natural rubber, cork, alignment lines, "
        "sweatproof, hot yoga, reversible, lightweight, latex free, knee support",
        "morning stretches, studio classes, living-room workouts",
        color="purple, teal, black, pink, sage, navy",
        thickness="3 mm, quarter inch, 10mm",
    ),
    _kind(
        "sports > fitness > dumbbells",
        "dumbbell set",
        (20, 180),
        "adjustable, rubber coating, neoprene coating, cast iron, hexagonal heads, storage rack, "
        "textured grip, home gyms, physical therapy, rust resistant, floor protection, odor free",
        "strength at any age, short breaks, winter training",
        weight="5 lb, ten pounds, 20 lbs, thirty pound",
        color="black, gray, pink, blue",
    ),
    _kind(
        "sports > camping > sleeping bags",
        "sleeping bag",
        (28, 170),
        "water resistant, cold weather, compression sack, machine washable, lightweight, "
        "mummy shape, down fill, two way zipper, draft collar, tall campers, recycled polyester",
        "scout camps, alpine huts, sleepovers",
        color="green, navy, orange, gray",
        zip_side="left, right",
        size="youth, regular, long",
    ),
    _kind(
        "sports > camping > tents",
        "camping tent",
        (55, 290),
        "waterproof, windproof, easy setup, rainfly, mesh windows, vestibule, "
        "color coded poles, blackout, lightweight, power cord port, family camping, uv protected",
        "lakeside weekends, first adventures, starry nights",
        held_out=True,
        color="green, orange, blue, gray, tan",
        capacity="2 person, sleeps 4, six people",
        season="summer, three season, all year",
    ),
    _kind(
        "sports > hydration > water bottles",
        "water bottle",
        (10, 46),
        "bpa free, leakproof, vacuum insulated, dishwasher safe, stainless steel, straw lid, "
        "time markers, carry loop, wide mouth, cyclists, tritan plastic, gym use",
        "school bags, hikes, afternoons at a desk",
        color=_PLAIN,
        size="17 ounce, 24 oz, forty fl oz",
    ),
    # ── office ──
    _kind(
        "office > writing > gel pens",
        "gel pens",
        (5, 28),
        "quick drying, refillable, fine point, bold point, retractable, soft grip, smear proof, "
        "acid free, left handed writers, journaling, archival quality, recycled plastic",
        "minutes and margins, exam weeks, letters",
        "many",
        ink="black, blue, red, green, assorted",
        count="4 pack, dozen, 36 count",
    ),
    _kind(
        "office > paper > notebooks",
        "notebook",
        (7, 34),
        "hardcover, spiral bound, dotted pages, lined pages, elastic closure, back pocket, "
        "recycled paper, fountain pens, acid free, numbered pages, ribbon bookmark, "
        "vegan leather, bullet journaling",
        "lectures, travel diaries, plans large and small",
        color="black, navy, burgundy, sage, mustard",
        size="a4, b5, pocket",
    ),
    _kind(
        "office > furniture > desk chairs",
        "office chair, desk chair",
        (65, 290),
        "ergonomic, lumbar support, adjustable armrests, headrest, mesh back, vegan leather, "
        "tilt lock, smooth casters, tall people, easy assembly, long hours, footrest",
        "home studies, call centers, game nights",
        color="black, gray, white, navy, pink",
        base="nylon, chrome, wood",
    ),
    _kind(
        "office > organization > desk organizers",
        "desk organizer",
        (12, 55),
        "bamboo, pen holder, sliding drawers, wire mesh, non-slip, stackable, phone stand, "
        "file dividers, small spaces, easy assembly, makeup storage, recycled plastic",
        "cluttered desks, dressing tables, craft rooms",
        held_out=True,
        color="black, white, oak, rose gold, gray",
        size="small, medium, large",
    ),
    # ── pets ──
    _kind(
        "pets > dogs > dog beds",
        "dog bed",
        (20, 130),
        "waterproof, memory foam, bolster edges, non-slip bottom, senior dogs, chew resistant, "
        "cooling, anxious dogs, machine washable, elevated, removable cover",
        "sunny corners, crates, the back of the car",
        color="gray, brown, navy, tan, sage",
        size="small, medium, large, xl",
    ),
    _kind(
        "pets > dogs > dog leashes",
        "dog leash",
        (9, 42),
        "reflective, padded handle, retractable, chew resistant, climbing rope, hands free, "
        "bungee section, traffic handle, strong pullers, waterproof, tangle free, "
        "waste bag holder",
        "city sidewalks, morning jogs, obedience class",
        color="black, red, teal, orange, purple",
        length="4 feet, 6ft, ten foot",
    ),
    _kind(
        "pets > dogs > dog treats",
        "dog treats",
        (6, 34),
        "grain free, single ingredient, training, senior dogs, sensitive stomachs, dental care, "
        "no added sugar, small batch, freeze dried, puppies, omega 3, soft texture",
        "good manners, muddy walks, visits to the vet",
        "many",
        flavor="beef, chicken, salmon, duck, peanut butter",
        size="6 ounce, one pound, 2.5 lb",
    ),
    _kind(
        "pets > cats > scratching posts",
        "cat scratching post",
        (18, 95),
        "sisal rope, hanging toy, sturdy base, large cats, kittens, plush perch, easy assembly, "
        "foldable, replaceable parts, natural wood, small spaces",
        "rescued sofas, bored afternoons, new flats",
        color="gray, cream, brown, teal",
        height="20 inches, 32in, four feet",
    ),
    _kind(
        "pets > cats > cat toys",
        "cat toy",
        (6, 36),
        "catnip, interactive, rechargeable, feathers, indoor cats, kittens, motion sensor, quiet, "
        "machine washable, crinkle sound, natural wood, automatic shutoff",
        "hunters of the hallway, shy rescues, midnight energy",
        held_out=True,
        shape="mouse, fish, bird, ball",
        pack="single, 3 pack, half dozen",
    ),
    # ── grocery ──
    _kind(
        "grocery > coffee and tea > ground coffee",
        "ground coffee",
        (8, 32),
        "organic, fair trade, low acid, single origin, decaffeinated, cold brew, french press, "
        "small batch, shade grown, espresso machines, resealable bag",
        "first cups, long meetings, lazy breakfasts",
        "mass",
        roast="mild, medium, bold",
        size="12 ounce, two pounds, 5 lb",
        flavor="classic, hazelnut, vanilla, mocha",
    ),
    _kind(
        "grocery > coffee and tea > herbal teas",
        "herbal tea",
        (5, 26),
        "caffeine free, organic, plastic free bags, fair trade, bedtime, digestion, iced tea, "
        "no added sugar, whole leaves, non-gmo, small batch, resealable bag",
        "rainy windows, sore throats, quiet hours",
        "mass",
        flavor="chamomile, peppermint, ginger, hibiscus, rooibos",
        count="20 bags, box of 50, hundred count",
    ),
    _kind(
        "grocery > snacks > granola bars",
        "granola bars",
        (6, 30),
        "gluten free, vegan, no added sugar, high protein, high fiber, nut free, non-gmo, "
        "organic, lunch boxes, soy free, hikers, kosher, soft baked",
        "school mornings, long drives, the office drawer",
        "many",
        flavor="honey oat, peanut butter, chocolate chip, blueberry, apple cinnamon",
        count="6 pack, dozen, 24 count",
    ),
    _kind(
        "grocery > snacks > mixed nuts",
        "mixed nuts",
        (8, 38),
        "unsalted, lightly salted, dry roasted, organic, non-gmo, kosher, gluten free, "
        "resealable bag, keto diets, salad toppings, vegan",
        "card games, trail breaks, unexpected guests",
        "many",
        flavor="plain, smoked, chili lime, maple",
        size="10 ounce, one pound, 3 lb",
    ),
    _kind(
        "grocery > pantry > pasta sauces",
        "pasta sauce",
        (5, 24),
        "organic, gluten free, no added sugar, low sodium, vegan, roasted garlic, fresh basil, "
        "slow cooked, imported tomatoes, kosher, dairy free, family dinners, keto diets",
        "quick suppers, pizza night, a full house",
        "mass",
        flavor="marinara, arrabbiata, mushroom, vodka",
        pack="single, 3 pack, half dozen",
    ),
    _kind(
        "grocery > pantry > honey",
        "honey",
        (7, 40),
        "unpasteurized, organic, unfiltered, single origin, squeeze bottle, kosher, "
        "honeycomb piece, tea lovers, baking, fair trade, non-gmo, small batch",
        "porridge and toast, marinades, winter colds",
        "mass",
        held_out=True,
        variety="wildflower, clover, acacia, buckwheat, orange blossom",
        size="12 ounce, one pound, 5 lb",
    ),
    # ── luggage ──
    _kind(
        "luggage > backpacks > travel backpacks",
        "travel backpack",
        (30, 140),
        "water resistant, laptop sleeve, usb port, luggage strap, padded straps, hidden pocket, "
        "recycled polyester, lockable zippers, weekend trips, students, expandable, lightweight",
        "budget flights, campuses, spontaneous plans",
        color="black, gray, navy, olive, burgundy",
        capacity="20 liter, 30l, forty five liters",
    ),
    _kind(
        "luggage > suitcases > carry-on suitcases",
        "carry-on suitcase",
        (48, 230),
        "spinner wheels, hard shell, expandable, lightweight, combination lock, "
        "telescopic handle, usb port, garment divider, scratch resistant, business trips, "
        "airline approved",
        "short hops, family visits, conference weeks",
        color="black, silver, teal, rose gold, navy",
        size="19 inch, 21in, twenty four inches",
    ),
)
