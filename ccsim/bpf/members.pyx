# cython: overflowcheck=False, nonecheck=False, cdivision=True, boundscheck=False, wraparound=False
"""Members of the kernel's structures where compiled objects of the simulator keep them.

`ccsim.bpf.bindings` says which attribute a member is. An attribute that is an integer of C is read
at its place in the object; another one is asked for by its name.
"""

from cpython.long cimport PyLong_AsUnsignedLongLongMask
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ccsim.kernel.ops cimport AckSample, RateSample
from ccsim.kernel.sock cimport Sock

from ccsim.bpf.bindings import pieces, struct_bytes
from ccsim.kernel.ops import AckSample as _AckSample, RateSample as _RateSample
from ccsim.kernel.sock import Sock as _Sock

__all__ = ["ACK_SAMPLE", "RATE_SAMPLE", "TCP_SOCK", "places"]

cdef enum:
    WORD  # 64 bits, signed or not
    FLAG  # an int of C that is 0 or 1
    ATTRIBUTE
    MADE_UP  # by the host: ``Sock.member``


cdef tuple word(object owner, long long* field):
    return WORD, <Py_ssize_t>(<char*>field - <char*><PyObject*>owner)


cdef tuple flag(object owner, bint* field):
    return FLAG, <Py_ssize_t>(<char*>field - <char*><PyObject*>owner)


cdef tuple unsigned_word(object owner, unsigned long long* field):
    return WORD, <Py_ssize_t>(<char*>field - <char*><PyObject*>owner)


cdef dict _sock(Sock s):
    return {
        "ack_pending": word(s, &s.ack_pending), "app_limited": word(s, &s.app_limited),
        "backoff": word(s, &s.backoff), "ca_state": word(s, &s.ca_state),
        "data_segs_out": word(s, &s.data_segs_out), "delivered": word(s, &s.delivered),
        "delivered_ce": word(s, &s.delivered_ce), "delivered_mstamp": word(s, &s.delivered_mstamp),
        "dsack_dups": word(s, &s.dsack_dups), "ecn_flags": word(s, &s.ecn_flags),
        "first_tx_us": word(s, &s.first_tx_us), "gso_max_size": word(s, &s.gso_max_size),
        "hz": word(s, &s.hz), "icsk_retransmits": word(s, &s.icsk_retransmits),
        "lost": word(s, &s.lost), "lost_out": word(s, &s.lost_out),
        "max_packets_out": word(s, &s.max_packets_out), "mdev_max_us": word(s, &s.mdev_max_us),
        "mdev_us": word(s, &s.mdev_us), "mss_cache": word(s, &s.mss_cache),
        "pacing_shift": word(s, &s.pacing_shift), "pacing_status": word(s, &s.pacing_status),
        "prior_cwnd": word(s, &s.prior_cwnd), "prior_ssthresh": word(s, &s.prior_ssthresh),
        "prr_delivered": word(s, &s.prr_delivered), "prr_out": word(s, &s.prr_out),
        "rack_last_delivered": word(s, &s.rack_last_delivered),
        "rack_mstamp_us": word(s, &s.rack_mstamp_us),
        "rack_reo_wnd_persist": word(s, &s.rack_reo_wnd_persist),
        "rack_reo_wnd_steps": word(s, &s.rack_reo_wnd_steps),
        "rack_rtt_us": word(s, &s.rack_rtt_us), "rcv_nxt": word(s, &s.rcv_nxt),
        "reord_seen": word(s, &s.reord_seen), "reordering": word(s, &s.reordering),
        "retrans_out": word(s, &s.retrans_out), "retrans_stamp_ms": word(s, &s.retrans_stamp_ms),
        "rto_jiffies": word(s, &s.rto_jiffies), "rtt_min_us": word(s, &s.rtt_min_us),
        "rttvar_us": word(s, &s.rttvar_us), "sacked_out": word(s, &s.sacked_out),
        "sk_state": word(s, &s.sk_state), "snd_cwnd": word(s, &s.snd_cwnd),
        "snd_cwnd_clamp": word(s, &s.snd_cwnd_clamp), "snd_cwnd_cnt": word(s, &s.snd_cwnd_cnt),
        "snd_cwnd_used": word(s, &s.snd_cwnd_used), "snd_ssthresh": word(s, &s.snd_ssthresh),
        "srtt_us": word(s, &s.srtt_us), "tcp_clock_cache": word(s, &s.tcp_clock_cache),
        "tcp_mstamp": word(s, &s.tcp_mstamp), "tcp_wstamp_ns": word(s, &s.tcp_wstamp_ns),
        "timer_kind": word(s, &s.timer_kind), "total_retrans": word(s, &s.total_retrans),
        "undo_retrans": word(s, &s.undo_retrans),
        "ca_initialized": flag(s, &s.ca_initialized), "ca_setsockopt": flag(s, &s.ca_setsockopt),
        "frto": flag(s, &s.frto), "is_cwnd_limited": flag(s, &s.is_cwnd_limited),
        "rack_advanced": flag(s, &s.rack_advanced), "rack_dsack_seen": flag(s, &s.rack_dsack_seen),
        "tlp_retrans": flag(s, &s.tlp_retrans),
        "max_pacing_rate": unsigned_word(s, &s.max_pacing_rate),
        "pacing_rate": unsigned_word(s, &s.pacing_rate),
    }


cdef dict _ack_sample(AckSample s):
    return {
        "in_flight": word(s, &s.in_flight), "pkts_acked": word(s, &s.pkts_acked),
        "rtt_us": word(s, &s.rtt_us),
    }


cdef dict _rate_sample(RateSample s):
    return {
        "acked_sacked": word(s, &s.acked_sacked), "delivered": word(s, &s.delivered),
        "delivered_ce": word(s, &s.delivered_ce), "interval_us": word(s, &s.interval_us),
        "last_end_seq": word(s, &s.last_end_seq), "losses": word(s, &s.losses),
        "prior_delivered": word(s, &s.prior_delivered),
        "prior_delivered_ce": word(s, &s.prior_delivered_ce),
        "prior_in_flight": word(s, &s.prior_in_flight), "prior_mstamp": word(s, &s.prior_mstamp),
        "rcv_interval_us": word(s, &s.rcv_interval_us), "rtt_us": word(s, &s.rtt_us),
        "snd_interval_us": word(s, &s.snd_interval_us),
        "is_ack_delayed": flag(s, &s.is_ack_delayed),
        "is_app_limited": flag(s, &s.is_app_limited), "is_retrans": flag(s, &s.is_retrans),
    }


def places(str struct):
    """Return where attributes that are integers of C lie in their objects, by name."""
    if struct == "tcp_sock":
        return _sock(_Sock())
    return _ack_sample(_AckSample()) if struct == "ack_sample" else _rate_sample(_RateSample())


cdef class Struct:
    """One of the kernel's structures: how each access to it is made, found out at the first."""

    def __cinit__(self, str name):
        self.name = name
        self.places = places(name)
        self.names = []
        self.end = struct_bytes(name) + 8
        self.found = <Access**>calloc(self.end * 4, sizeof(Access*))
        if self.found == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.found != NULL:
            for i in range(self.end * 4):
                free(self.found[i])
            free(self.found)

    cdef Access* access(self, Py_ssize_t offset, int size) except? NULL:
        """Return how ``size`` bytes at an offset are read and written; NULL beyond the end."""
        cdef Py_ssize_t at = offset * 4 + (size >> 1 if size < 8 else 3)
        if offset + size > self.end:
            return NULL
        if self.found[at] == NULL:
            self.found[at] = self._made(offset, size)
        return self.found[at]

    cdef Access* _made(self, Py_ssize_t offset, int size) except? NULL:
        parts = pieces(self.name, offset, size)
        cdef Access* made = <Access*>calloc(1, sizeof(Access) + len(parts) * sizeof(Part))
        cdef Part* part
        if made == NULL:
            raise MemoryError
        made.count = len(parts)
        made.writable = len(parts) == 1 and parts[0].member.write != "" and not parts[0].place
        for i, piece in enumerate(parts):
            part = &made.parts[i]
            part.mask = (1 << piece.width) - 1
            part.cut = (1 << piece.bits) - 1
            part.start, part.shift = piece.start, piece.place
            name = piece.member.attribute
            if name in self.places:
                part.kind, part.place = self.places[name]
            else:
                part.kind, part.place = (ATTRIBUTE if name else MADE_UP), len(self.names)
                self.names.append(name or piece.member.name)
        return made

    cdef uint64_t load(self, object owner, Access* access) except? 0x5AD:
        """Return the unsigned number that an access reads."""
        cdef uint64_t result = 0, value
        cdef Part* part
        cdef int i
        for i in range(access.count):
            part = &access.parts[i]
            value = read(self, owner, part) & part.mask
            result |= (value >> part.start & part.cut) << part.shift
        return result

    cdef int store(self, object owner, Access* access, uint64_t value) except -1:
        """Write the low bits of a number into the member of a writable access."""
        cdef Part* part = &access.parts[0]
        cdef uint64_t kept
        value = (value & part.cut) << part.start
        if part.cut != part.mask:
            kept = read(self, owner, part) & part.mask
            value |= kept & ~(part.cut << part.start)
        if part.kind == WORD:
            (<uint64_t*>(<char*><PyObject*>owner + part.place))[0] = value
        elif part.kind == FLAG:
            (<int*>(<char*><PyObject*>owner + part.place))[0] = value != 0
        else:
            setattr(owner, self.names[part.place], value)
        return 0


cdef inline uint64_t read(Struct struct, object owner, Part* part) except? 0x5AD:
    if part.kind == WORD:
        return (<uint64_t*>(<char*><PyObject*>owner + part.place))[0]
    if part.kind == FLAG:
        return (<int*>(<char*><PyObject*>owner + part.place))[0]
    name = struct.names[part.place]
    value = owner.member(name) if part.kind == MADE_UP else getattr(owner, name)
    return PyLong_AsUnsignedLongLongMask(value)


cdef bint is_word(Part* part) noexcept:
    """Tell whether a part is the whole of 64 bits, cut to the member's width."""
    return part.kind == WORD and not part.start and not part.shift and part.cut == part.mask


TCP_SOCK = Struct("tcp_sock")
ACK_SAMPLE = Struct("ack_sample")
RATE_SAMPLE = Struct("rate_sample")
