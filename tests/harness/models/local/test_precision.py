"""The number format of local models follows the processor."""

from harness.core.environment import cpu_flags
from harness.models.local.precision import choose_precision

AMX = "processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile amx_int8\n"
NO_AMX = "processor\t: 0\nflags\t\t: fpu avx512_bf16 avx512f\n"


def test_flags_are_read_and_their_absence_is_no_error(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(NO_AMX)
    assert cpu_flags(cpuinfo) == {"fpu", "avx512_bf16", "avx512f"}
    cpuinfo.write_text("Hardware: something else\n")
    assert cpu_flags(cpuinfo) == frozenset()


def test_bf16_only_where_the_processor_has_tiles(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(AMX)
    assert choose_precision("cpu", None, cpuinfo) == "bf16"
    cpuinfo.write_text(NO_AMX)
    assert choose_precision("cpu", None, cpuinfo) == "fp32"
    assert choose_precision("cpu", None, tmp_path / "missing") == "fp32"


def test_what_was_asked_for_wins(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(AMX)
    assert choose_precision("cpu", "fp32", cpuinfo) == "fp32"
