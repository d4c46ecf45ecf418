"""Text in whatever encoding its file is, and whatever is told of that."""

import pytest

from polyagent.adapters.extraction.formats.decoding import decode

LEASES = {
    "cp1252": (
        "Où est la clé ? Ça va très bien.",
        "Der Mieter muß kündigen: Größe, Übung, Öl.",
        "El señor comió una piña mañana; ¿dónde está?",
        "São Paulo não é a capital: informações.",
        "Uppsägningstiden är tre månader på Åland.",
        "Rødgrød med fløde på bordet.",
        "The “notice period” isn’t long – three months…",
    ),
    "cp1250": (
        "Okres trzech miesięcy w Łodzi.",
        "Výpovědní lhůta činí tři měsíce.",
        "Az űrlap és ő",
    ),
    "cp1251": ("Срок уведомления составляет три месяца.",),
    "cp1254": ("Kiracı başka türlü şöyle, ağaç, İstanbul'da.",),
    "gb18030": ("租赁合同的通知期为三个月，任何一方均可终止。",),
    "big5": ("租賃合約的通知期為三個月，任何一方均可終止。",),
    "cp932": ("賃貸契約の解約通知期間は三か月です。",),
    "cp949": ("계약 해지 통지 기간은 삼 개월입니다.",),
    "cp874": ("ระยะเวลาการแจ้งเลิกสัญญาเช่าคือสามเดือน",),
}


@pytest.mark.parametrize(
    ("encoding", "text"), [(name, text) for name, texts in LEASES.items() for text in texts]
)
def test_the_encoding_is_found_by_the_text(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("text", ["租赁合同的通知期为三个月。", "Где ключ? ", "Le café crème. "])
@pytest.mark.parametrize("damaged", [b"\xe7", b"\xff and more", b"\xe7\xa7 and \xff"])
def test_utf8_that_is_cut_or_damaged_stays_utf8(text: str, damaged: bytes) -> None:
    whole = text * 10

    read = decode(whole.encode() + damaged)

    assert read.startswith(whole + "\ufffd")


@pytest.mark.parametrize(
    ("told", "encoding", "text"),
    [
        ("gb2312", "gbk", "朱镕基"),
        ("GBK", "gb18030", "㐀"),
        ("shift_jis", "cp932", "①㈱"),
        ("iso-8859-1", "cp1252", "“so” – 5 €"),
        ("ks_c_5601-1987", "cp949", "똠방각하"),
        ("utf-8", "utf-8", "é"),
    ],
)
def test_a_name_means_what_is_written_under_it(told: str, encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), told) == text


@pytest.mark.parametrize("told", ["x-unknown", "", "\0", "hex", "rot13", "é", "utf-16"])
def test_a_name_that_is_none_of_the_text_makes_no_difference(told: str) -> None:
    assert decode(b"plain words", told) == "plain words"
