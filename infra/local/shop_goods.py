# ruff: noqa: RUF001 -- names, streets and notes are in the scripts that customers write in
"""What the shop sells, where it delivers and what customers write: texts in many scripts, all of them valid."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DRINKS", "NOTES", "PLACES", "Drink", "Place"]


class Drink(NamedTuple):
    """One article; `cents` is its price in hundredths of the order's currency."""

    sku: str
    name: str
    cents: int


class Place(NamedTuple):
    """A city the shop delivers to: `country` is its ISO code, `offset` what its clocks add to UTC, in minutes."""

    city: str
    postcode: str
    country: str
    currency: str
    offset: int
    streets: tuple[str, ...]


DRINKS = (
    Drink("BIER-KÖ-024", "Kölsch vom Faß, 24 × 0,33 l", 2199),
    Drink("BIER-WZ-020", "Weißbier naturtrüb, 20 × 0,5 l", 1999),
    Drink("BIER-CZ-020", "Světlý ležák «Žatecký», 20 × 0,5 l", 1890),
    Drink("BIER-PL-020", "Piwo pszeniczne „Żuraw”, 20 × 0,5 l", 1749),
    Drink("BIER-SE-006", "Folköl från Malmö, 6 × 0,5 l", 849),
    Drink("BIER-BE-012", "Bière d’abbaye brune, 12 × 0,33 l", 2480),
    Drink("WEIN-FR-001", "Château d’Eau Rosé, 0,75 l", 1290),
    Drink("WEIN-FR-006", "Crémant brut nature, 6 × 0,75 l", 7490),
    Drink("WEIN-AT-001", "Grüner Veltliner «Smaragd», 0,75 l", 1650),
    Drink("WEIN-ES-001", "Albariño Rías Baixas, 0,75 l", 1395),
    Drink("WEIN-HU-001", "Tokaji aszú, 5 puttonyos, 0,5 l", 3299),
    Drink("WEIN-GE-001", "საფერავი, ქვევრის ღვინო, 0,75 l", 1875),
    Drink("WEIN-GR-001", "Ρετσίνα Μεσογείων, 0,5 l", 690),
    Drink("SAKE-純-072", "純米大吟醸 山田錦 720ml", 4850),
    Drink("SHOCHU-芋-090", "本格芋焼酎 さつま 900ml", 2990),
    Drink("SOJU-참-036", "참나무통 맑은 소주 360ml", 590),
    Drink("MAKG-막-075", "생막걸리 750ml", 480),
    Drink("BAIJIU-白-050", "白酒 濃香型 500ml", 5600),
    Drink("TEE-烏-012", "凍頂烏龍茶 無糖 12 × 350ml", 1740),
    Drink("TEE-緑-024", "緑茶 24 × 500ml", 2640),
    Drink("TEE-شاي-012", "شاي بالنعناع ١٢ × ٠٫٣٣ ل", 1120),
    Drink("SAFT-عصير-006", "عصير رمّان طازج ٦ × ١ ل", 1999),
    Drink("SAFT-מיץ-006", "מיץ תפוזים סחוט, 6 × 1 ל׳", 1850),
    Drink("LASSI-आम-008", "आम की लस्सी, 8 × 250 ml", 1040),
    Drink("CHAI-ชา-012", "ชาเย็น ๑๒ ขวด", 1320),
    Drink("CAFE-VN-024", "Cà phê sữa đá, 24 × 235 ml", 2880),
    Drink("KWAS-КВ-012", "Квас хлебный, 12 × 0,5 л", 1170),
    Drink("KOMB-✿-006", "Kombucha Holunder✿blüte, 6 × 0,33 l", 1499),
    Drink("MATE-⚡-020", "Mate ⚡ Brause, 20 × 0,5 l", 1790),
    Drink("LIMO-🍋-012", "Zitronenlimonade 🍋, 12 × 0,7 l", 999),
    Drink("WASS-Ö-012", "Mineralwasser Östlquelle, still, 12 × 1 l", 579),
    Drink("WASS-É-024", "Eau gazeuse «Bulles fines», 24 × 0,5 l", 1080),
    Drink("COLA-Ø-012", "Jolly Kola, økologisk, 12 × 0,25 l", 1620),
    Drink("CIDR-É-006", "Cidre fermier doux, 6 × 0,75 l", 2340),
    Drink("GIN-Ü-001", "Dry Gin «Wildwüchsig», 0,5 l", 3450),
    Drink("SIRUP-ÅÄÖ-001", "Fläder\u00adblomssaft, koncentrat, 1 l", 545),
)

PLACES = (
    Place("Köln", "50667 · Köln", "DE", "EUR", 60, ("Große Budengasse", "Unter Käster", "Gürzenichstraße")),
    Place("München", "80331\u00a0M", "DE", "EUR", 60, ("Schäfflerstraße", "Müllerstraße", "Färbergraben")),
    Place("Wien", "A‑1010", "AT", "EUR", 60, ("Kärntner Straße", "Bäckerstraße", "Schönlaterngasse")),
    Place("Zürich", "CH‑8001", "CH", "CHF", 60, ("Münstergasse", "Schlüsselgasse", "Trittligässli")),
    Place(
        "Genève",
        "CH‑1204",
        "CH",
        "CHF",
        60,
        ("Rue de la Fontaine‑Dorée", "Grand‑Rue · côté cour", "Place du Bourg‑de‑Four"),
    ),
    Place("Łódź", "90‑001", "PL", "PLN", 60, ("ulica Źródłowa", "ulica Księży Młyn", "aleja Kościuszki")),
    Place("Kraków", "31‑001", "PL", "PLN", 60, ("ulica Świętej Gertrudy", "ulica Sławkowska", "ulica Bożego Ciała")),
    Place("Malmö", "211\u00a043", "SE", "SEK", 60, ("Östra Förstadsgatan", "Södra Vallgatan", "Hjälmaregränd")),
    Place("Göteborg", "411\u00a006", "SE", "SEK", 60, ("Östra Hamngatan", "Kungsgatan 3½ tr", "Långgatan på Ön")),
    Place(
        "Saint‑Étienne",
        "F‑42000",
        "FR",
        "EUR",
        60,
        ("Rue de la République · bât. É", "Allée des Chênes", "Rue du Théâtre"),
    ),
    Place(
        "A Coruña", "ES‑15001", "ES", "EUR", 60, ("Rúa da Estrela · 2º", "Rúa do Faragullo – patio", "Praza de España")
    ),
    Place("Αθήνα", "105\u00a057", "GR", "EUR", 120, ("Οδός Ερμού", "Οδός Αδριανού", "Πλατεία Συντάγματος")),
    Place("Hafnarfjörður", "IS‑220", "IS", "EUR", 0, ("Strandgata – höfn", "Reykjavíkurvegur", "Álfaskeið")),
    Place(
        "Llanfairpwllgwyngyll‑gogerychwyrndrobwllllantysiliogogogoch",
        "LL61\u00a05UJ",
        "GB",
        "GBP",
        0,
        ("Ffordd Tŷ Croes", "Lôn Dŵr", "Stryd y Môr"),
    ),
    Place(
        "London · Soho",
        "W1F\u00a08TH",
        "GB",
        "GBP",
        0,
        ("Old Compton Street – rear", "D’Arblay Street", "Berwick Street №\u00a07"),
    ),
    Place("القاهرة", "١١٥١١", "EG", "EUR", 120, ("شارع المعز لدين الله", "شارع خان الخليلي", "ميدان التحرير")),
    Place("תל אביב‑יפו", "6688\u00a0312", "IL", "EUR", 120, ("רחוב דיזנגוף", "שדרות רוטשילד", "רחוב אלנבי")),
    Place("東京都渋谷区", "〒150‑0041", "JP", "EUR", 540, ("神南一丁目19‑11", "道玄坂二丁目", "宇田川町")),
    Place("서울특별시", "04524\u00a0중구", "KR", "EUR", 540, ("세종대로 110", "을지로 30", "명동길 14")),
    Place("臺北市", "100‑臺北", "TW", "EUR", 480, ("忠孝西路一段", "衡陽路", "延平南路")),
    Place("मुंबई", "४००००१", "IN", "EUR", 330, ("महात्मा गांधी मार्ग", "डॉ. दादाभाई नौरोजी मार्ग", "कोलाबा कॉजवे")),
    Place(
        "St. John’s",
        "A1C\u00a05M2",
        "CA",
        "EUR",
        -210,
        ("Water Street – quai", "Rue Duckworth · côté mer", "Kings Road №\u00a02"),
    ),
    Place(
        "Querétaro",
        "MX‑76000",
        "MX",
        "EUR",
        -360,
        ("Calle 5 de Mayo · Nº", "Andador Libertad – peatón", "Calle Ángela Peralta"),
    ),
    Place("Kaʻūpūlehu", "HI\u00a096740", "US", "EUR", -600, ("Kaʻūpūlehu Drive", "Māmalahoa Highway", "Kūkiʻo Nui")),
)

NOTES = (
    "Bitte beim Nachbarn (Müller, 3. OG) abgeben – Klingel kaputt 🔔❌",
    "Laissez les caisses devant l’entrée à côté des poubelles, merci ! 🙏🏽",
    "Zadzwoń, proszę, pięć minut przed — dziękuję 📞",
    "Ställ lådorna i källaren, nyckeln är under mattan 🗝️",
    "Überraschung für Zoë & Jürgen 🎉🎂 — nicht klingeln!!",
    "玄関前に置いてください。犬がいます🐕",
    "문 앞에 놓아 주세요. 벨 누르지 마세요 🙇‍♀️",
    "請放在管理員室,謝謝 🧋",
    "اتركها عند الباب من فضلك — الطابق ٣",
    "נא להשאיר ליד הדלת (קומה 2) – תודה!",
    "mixed \u202bعربي and English\u202c, then \u2067עברית\u2069 and back",
    "कृपया दरवाज़े पर छोड़ दें 🚪",
    "decomposed: Cafe\u0301 Zu\u0308rich, n\u0303andu\u0301; composed: Café Zürich, ñandú",
    "Z\u0351\u036ba\u0344\u0369l\u0320\u0331g\u0349\u0333o\u0321\u0315 wants his b\u0336e\u0336e\u0336r\u0336 cold",
    "family 👨‍👩‍👧‍👦, flags 🇨🇭🇸🇪, skin 👩🏿‍🍳, keycap 3️⃣, heart ❤️ vs ❤",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 & 𝒮𝒸𝓇𝒾𝓅𝓉 & 𓀀𓂀 & 🀄︎, all beyond the BMP",
    'quotes "double", ‘single’, back\\slash \\u0041 \\n stays text, </script> ‹ü›',
    "first line\nsecond line – ü\r\nthird line\ttabbed",
    "line\u2028separator and paragraph\u2029separator, next\u0085line, form\u000cfeed",
    "zero\u200bwidth, soft\u00adhyphen, no\u00a0break, bom\ufeffinside, joiner\u2060here",
    "a NUL \u0000 in the middle, ESC \u001b[31mred?\u001b[0m, DEL \u007f — ü",
    "'; DROP TABLE orders; -- ü",
    "=1+1+cmd|' /C calc'!A0 — só teste",
    '{"order_id":"o-00000000","note":"JSON im Text – kein zweites Dokument"}',
    "}{ ist kein Fehler, wenn es in einer Notiz steht – ]][[",
    "İstanbul’dan ıssız ada: İ i I ı",
    "ﬁn de l’oﬃce, Å (Å) Ω (Ω) — ligatures and look‑alikes",
    "Tiếng Việt: để ở trước cửa, cảm ơn nhiều ạ",
    "ฝากไว้กับยามครับ 🙏",
    "Оставьте у двери, пожалуйста. Ёлка слева 🎄",
    "noncharacters \ufffe \uffff and the replacement \ufffd are legal",
    "null — NaN — undefined — −0 — ½ — 1e400",
    "    führende und folgende Leerzeichen    ",
    "·",
)
