"""A C header for congestion controls, made from the kernel's types that ccsim has.

With it an object needs neither a ``vmlinux.h`` nor libbpf's headers to be compiled, and every field
that it can name is one that simulated sockets keep. On a real kernel the same object finds the same
fields by name (CO-RE).
"""

from __future__ import annotations

from collections.abc import Iterator

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Member, Type
from ccsim.bpf.kernel_btf import kernel_btf
from ccsim.bpf.kernel_types import FUNCTIONS

__all__ = ["header_text"]

_HIDDEN = ("module", "list_head", "refcount_struct", "bpf_iter_num", "tcp_congestion_ops")
_OPS_SKIPPED = ("get_info", "owner", "list", "key")

_HEAD = """\
/* SPDX-License-Identifier: MIT
 *
 * What a BPF congestion control needs to know of the kernel, and no more: written by ccsim. Fields
 * are found by their names (CO-RE), so offsets do not matter, on a real kernel either.
 */
#ifndef BPF_CC_H
#define BPF_CC_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef u16 __be16;
typedef u32 __be32;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define SEC(name) __attribute__((section(name), used))
#define KERNEL __attribute__((preserve_access_index))
#define __weak __attribute__((weak))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))

/* in maps: __uint(type, BPF_MAP_TYPE_HASH); __type(key, u32); */
#define __uint(name, value) int(*name)[value]
#define __type(name, type) typeof(type) *name
enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_SK_STORAGE = 24 };
enum { BPF_ANY, BPF_NOEXIST, BPF_EXIST };
#define BPF_F_NO_PREALLOC 1
#define BPF_SK_STORAGE_GET_F_CREATE 1
"""

_HELPERS = """
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value,
	u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static long (*bpf_setsockopt)(void *sk, int level, int name, void *value, int size) = (void *)49;
static long (*bpf_getsockopt)(void *sk, int level, int name, void *value, int size) = (void *)57;
static void *(*bpf_sk_storage_get)(void *map, void *sk, void *value, u64 flags) = (void *)107;
static long (*bpf_tcp_send_ack)(void *tp, u32 rcv_nxt) = (void *)116;
static u64 (*bpf_jiffies64)(void) = (void *)118;
static long (*bpf_loop)(u32 rounds, void *callback, void *context, u64 flags) = (void *)181;
"""

_TAIL = """
#define TCP_CONG_NON_RESTRICTED 1
#define TCP_CONG_NEEDS_ECN 2
#define TCP_INFINITE_SSTHRESH 0x7fffffff
#define SOL_TCP 6
#define TCP_CONGESTION 13

/* A program gets its arguments as an array of 64-bit words. */
typedef unsigned long long ctx_t;
#define SOCK(ctx) ((struct sock *)(ctx)[0])
#define TP(ctx) ((struct tcp_sock *)(ctx)[0])
#define HOOK(name) SEC("struct_ops/" #name) void name(ctx_t *ctx)
#define HOOK_U32(name) SEC("struct_ops/" #name) u32 name(ctx_t *ctx)
#define OPS SEC(".struct_ops.link") struct tcp_congestion_ops
#define LICENSE(text) char _license[] SEC("license") = text

/* The private area: 104 bytes on the socket, zeroed when the congestion control changes. */
static inline void *private_area(struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_ca_priv;
}

/* A bit-field, wherever this kernel has it. */
#define BITS_READ(type, at) *(const type *)(at)
#define BITS(object, field) ({ \\
	const u8 *at = (const u8 *)(object) + __builtin_preserve_field_info((object)->field, 0); \\
	u64 value = 0; \\
	switch (__builtin_preserve_field_info((object)->field, 1)) { \\
	case 1: value = BITS_READ(u8, at); break; \\
	case 2: value = BITS_READ(u16, at); break; \\
	case 4: value = BITS_READ(u32, at); break; \\
	case 8: value = BITS_READ(u64, at); break; \\
	} \\
	value <<= __builtin_preserve_field_info((object)->field, 4); \\
	value >> __builtin_preserve_field_info((object)->field, 5); \\
})

static inline bool window_is_the_limit(const struct tcp_sock *tp)
{
	if (BITS(tp, is_cwnd_limited))
		return true;
	return tp->snd_cwnd < tp->snd_ssthresh && tp->snd_cwnd < 2 * tp->max_packets_out;
}

#endif
"""


def header_text() -> str:
    """Return the header."""
    btf = kernel_btf()
    parts = [_HEAD]
    parts += [_enumeration(it) for it in btf.types if it.kind == kinds.ENUM and _shown(it)]
    parts += [_struct(btf, it) for it in btf.types if it.kind == kinds.STRUCT and _shown(it)]
    ops = btf[btf.find("tcp_congestion_ops", kinds.STRUCT)]
    parts.append(_operations(btf, ops))
    functions = FUNCTIONS.strip().splitlines()
    functions = [line for line in functions if "bpf_iter" not in line]
    parts.append("\n".join(f"extern {line} __ksym;" for line in functions))
    return "\n".join([*parts, _HELPERS.strip(), _TAIL.strip(), ""])


def _shown(it: Type) -> bool:
    return bool(it.name) and it.name not in _HIDDEN and "struct_ops" not in it.name


def _enumeration(it: Type) -> str:
    values = ", ".join(f"{name} = {value}" for name, value in it.values)
    return f"enum {it.name} {{ {values} }};"


def _struct(btf: Btf, it: Type) -> str:
    lines = "\n".join(f"\t{line}" for line in _members(btf, it))
    return f"\nstruct {it.name} {{\n{lines}\n}} KERNEL;"


def _members(btf: Btf, it: Type) -> Iterator[str]:
    for member in it.members:
        inner = btf.plain(member.type)
        if inner.kind == kinds.STRUCT and not inner.name:
            yield f"struct {{ {' '.join(_members(btf, inner))} }} {member.name};"
            continue
        yield f"{_declared(btf, member.type, member.name)}{_width(member)};"


def _width(member: Member) -> str:
    return f" : {member.bits}" if member.bits else ""


def _declared(btf: Btf, type: int, name: str) -> str:
    it = btf[type]
    if it.kind == kinds.ARRAY:
        return f"{_declared(btf, it.type, name)}[{it.count}]"
    if it.kind == kinds.PTR:
        return _declared(btf, it.type, f"*{name}")
    if it.kind == kinds.CONST:
        return f"const {_declared(btf, it.type, name)}"
    word = {kinds.STRUCT: "struct ", kinds.ENUM: "enum "}.get(it.kind, "")
    return f"{word}{it.name or 'void'} {name}"


def _operations(btf: Btf, it: Type) -> str:
    lines = []
    for member in it.members:
        if member.name in _OPS_SKIPPED:
            continue
        pointer = btf[member.type]
        prototype = btf[pointer.type] if pointer.kind == kinds.PTR else None
        if prototype is None or prototype.kind != kinds.FUNC_PROTO:
            lines.append(f"\t{_declared(btf, member.type, member.name)};")
            continue
        params = ", ".join(_declared(btf, type, name) for name, type in prototype.params)
        result = btf[prototype.type].name or "void"
        lines.append(f"\t{result} (*{member.name})({params});")
    body = "\n".join(lines)
    return f"\nstruct tcp_congestion_ops {{\n{body}\n}};\n"
