# cython: overflowcheck=False, nonecheck=False, cdivision=True, boundscheck=False, wraparound=False
"""The interpreter in machine code: what `ccsim.bpf.interpreter` defines, with registers of C.

Addresses are those of `ccsim.bpf.memory`, and every access is checked against its region. What is
not worth machine code, most helpers among it, is called as the interpreter calls it; what goes
wrong is done once more by the interpreter's own memory, which words the fault.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.long cimport PyLong_AsUnsignedLongLongMask
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from ccsim.bpf.members cimport Access, Struct, is_word
from ccsim.bpf.memory cimport Buffer, PrivateArea
from ccsim.kernel.kfuncs cimport tcp_cong_avoid_ai, tcp_reno_cong_avoid, tcp_reno_ssthresh
from ccsim.kernel.kfuncs cimport tcp_reno_undo_cwnd, tcp_slow_start
from ccsim.kernel.sock cimport Sock

from contextlib import contextmanager

from ccsim.bpf import instructions as isa
from ccsim.bpf import members
from ccsim.bpf.bindings import SampleRegion, SockRegion, area_offset
from ccsim.bpf.helpers import Host
from ccsim.bpf.interpreter import BACK_JUMPS as _BACK_JUMPS, MAY_GOTO as _MAY_GOTO, wide_constant
from ccsim.bpf.kernel_functions import MODULE_FUNCTIONS, module_hook
from ccsim.bpf.kernel_state import Layout
from ccsim.bpf.maps import ArrayMap
from ccsim.bpf.memory import BpfFault, Buffer as _Buffer, PrivateArea as _PrivateArea

__all__ = ["Machine"]

cdef extern from *:
    """
    #define LOW_HALF 0xFFFFFFFFULL
    """
    const uint64_t U32 "LOW_HALF"

cdef enum:
    FAILED = 0x5AD  # what says that there may be an exception
    AREA = 104
    STACK = 512
    FRAMES_MAX = 8
    IMMEDIATE = 11  # stands behind the registers
    LOOPS = 1 << 23
    ROUNDS = 1 << 24

cdef enum:  # regions: the upper halves of addresses
    R_CTX = 1
    R_SOCK = 2
    R_ACK_SAMPLE = 3
    R_RATE_SAMPLE = 4
    R_MAPS = 6
    R_FUNCTIONS = 7
    R_FRAMES = 8
    R_SCRATCH = 32
    R_SCRATCH_END = 48
    R_VALUES = 64

cdef enum:  # arithmetic and jumps as in opcodes, 64 bits first
    ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR, MOV, ARSH
    ADD32 = 16, SUB32, MUL32, DIV32, OR32, AND32, LSH32, RSH32, NEG32, MOD32, XOR32, MOV32, ARSH32
    JA = 32, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE
    EXIT = 41, JLT, JLE, JSLT, JSLE, JCOND
    JEQ32 = 49, JGT32, JGE32, JSET32, JNE32, JSGT32, JSGE32
    JLT32 = 58, JLE32, JSLT32, JSLE32
    SDIV = 64, SMOD, SDIV32, SMOD32, MOVSX, MOVSX32, CUT, SWAP, CONSTANT
    LOAD, LOAD_SIGNED, LOAD_KNOWN, STORE, STORE_KNOWN, ATOMIC
    CALL_LOCAL, CALL_KERNEL, CALL_MODULE, CALL_LOOKUP, CALL_LOOP, CALL_CLOCK, CALL_JIFFIES
    CALL_RANDOM, CALL_SSTHRESH, CALL_UNDO, CALL_RENO, CALL_SLOW_START, CALL_AI, CALL_NOTHING
    UNKNOWN

cdef enum:  # which arguments a module's hook takes
    ALONE, NUMBER, NUMBERS, SAMPLE, CONTROL

cdef enum:  # what LOAD_KNOWN and STORE_KNOWN touch, where the address is the first one's again
    OF_SOCK, OF_SAMPLE, OF_AREA, OF_CONTEXT

cdef struct Operation:
    int code, dst, src, size
    Py_ssize_t offset  # of memory; of a jump, the slot that it leads to
    uint64_t imm
    uint64_t address  # that a load or store had first
    int kind
    Py_ssize_t place
    uint64_t mask

cdef struct Call:  # what one invocation of a program works on
    PyObject* sk
    PyObject* sample
    PyObject* outside
    char* area  # the private area's bytes, once somebody has looked
    bint settled  # they may be written
    int words
    uint64_t context[4]
    char* frames[FRAMES_MAX]
    int depth
    long long back_jumps
    long long rounds

cdef long long BACK_JUMPS = _BACK_JUMPS
cdef long long MAY_GOTO = _MAY_GOTO
cdef Py_ssize_t AREA_OFFSET = area_offset()
cdef Struct TCP_SOCK = members.TCP_SOCK

_PLAIN = {
    "tcp_reno_ssthresh": CALL_SSTHRESH, "tcp_reno_undo_cwnd": CALL_UNDO,
    "tcp_reno_cong_avoid": CALL_RENO, "tcp_slow_start": CALL_SLOW_START,
    "tcp_cong_avoid_ai": CALL_AI,
    "bpf_rcu_read_lock": CALL_NOTHING, "bpf_rcu_read_unlock": CALL_NOTHING,
}
_HELPERS = {
    1: CALL_LOOKUP, 5: CALL_CLOCK, 7: CALL_RANDOM, 118: CALL_JIFFIES, 125: CALL_CLOCK,
    181: CALL_LOOP, 208: CALL_CLOCK,
}
_TAKES = {
    "cong_avoid": NUMBERS, "set_state": NUMBER, "cwnd_event": NUMBER, "in_ack_event": NUMBER,
    "pkts_acked": SAMPLE, "cong_control": CONTROL,
}


cdef inline uint64_t fetched(const char* data, int size) noexcept:
    cdef uint64_t eight
    cdef uint32_t four
    cdef uint16_t two
    if size == 4:
        memcpy(&four, data, 4)
        return four
    if size == 8:
        memcpy(&eight, data, 8)
        return eight
    if size == 2:
        memcpy(&two, data, 2)
        return two
    return (<const unsigned char*>data)[0]


cdef inline void put(char* data, int size, uint64_t value) noexcept:
    cdef uint32_t four = <uint32_t>value
    cdef uint16_t two = <uint16_t>value
    if size == 4:
        memcpy(data, &four, 4)
    elif size == 8:
        memcpy(data, &value, 8)
    elif size == 2:
        memcpy(data, &two, 2)
    else:
        data[0] = <char>value


cdef inline uint64_t extended(uint64_t value, int bits) noexcept:
    """Return the low bits with their sign."""
    if bits == 32:
        return <uint64_t><int64_t><int32_t>value
    return <uint64_t><int64_t><int16_t>value if bits == 16 else <uint64_t><int64_t><int8_t>value


cdef inline uint64_t swapped(uint64_t value, int size) noexcept:
    cdef uint64_t result = 0
    cdef int i
    for i in range(size):
        result = result << 8 | (value >> 8 * i & 0xFF)
    return result


cdef class Machine:
    """One program as one member of ``tcp_congestion_ops``."""

    cdef readonly object runtime, code, host
    cdef readonly str member
    cdef Operation* operations
    cdef Py_ssize_t count
    cdef list callees, modules, maps, buffers
    cdef Struct sample
    cdef int sample_region
    cdef bint plain_host, has_frames

    def __init__(self, runtime, code, str member):
        self.runtime, self.code, self.member = runtime, code, member
        self.host = runtime.host
        self.plain_host = type(runtime.host) is Host
        self.maps = runtime.maps
        self.buffers = [found.memory for found in runtime.maps]
        self.callees, self.modules = [], []
        self.sample = members.ACK_SAMPLE if member == "pkts_acked" else members.RATE_SAMPLE
        self.sample_region = R_ACK_SAMPLE if member == "pkts_acked" else R_RATE_SAMPLE
        self.count = len(code.instructions)
        self.operations = <Operation*>calloc(self.count + 2, sizeof(Operation))
        if self.operations == NULL:
            raise MemoryError
        self.has_frames = any(10 in (it.src, it.dst) for it in code.instructions)
        for at, it in enumerate(code.instructions):
            self.decode(at, it, &self.operations[at])
        self.operations[self.count].code = UNKNOWN
        self.operations[self.count + 1].code = UNKNOWN  # behind a constant without its second half

    def __dealloc__(self):
        free(self.operations)

    # --- decoding ---

    cdef decode(self, Py_ssize_t at, it, Operation* to):
        """Choose the code of an instruction, as the interpreter chooses its handler."""
        cls, op = it.cls, it.op
        to.dst, to.src, to.offset = it.dst, it.src, it.offset
        to.imm = it.imm & 0xFFFFFFFFFFFFFFFF
        to.code = UNKNOWN
        if it.opcode == isa.LD_IMM64:
            to.code, to.imm = CONSTANT, wide_constant(it)
        elif cls in (isa.ALU, isa.ALU64):
            self.decode_arithmetic(it, cls == isa.ALU64, op, to)
        elif cls in (isa.JMP, isa.JMP32):
            self.decode_jump(at, it, cls == isa.JMP, op, to)
        else:
            to.size = it.size
            if cls == isa.LDX and it.mode in (isa.MEM, isa.MEMSX):
                to.code = LOAD if it.mode == isa.MEM else LOAD_SIGNED
            elif cls == isa.STX and it.mode == isa.ATOMIC:
                to.code = ATOMIC
            elif cls in (isa.ST, isa.STX) and it.mode == isa.MEM:
                to.code = STORE
                if cls == isa.ST:
                    to.src = IMMEDIATE
        if to.dst > 10 or to.src > IMMEDIATE:
            to.code = UNKNOWN

    cdef decode_arithmetic(self, it, bint wide, int op, Operation* to):
        if not it.by_register:
            to.src = IMMEDIATE
        if op == isa.END:
            to.code = SWAP if wide or it.by_register else CUT
            to.src = IMMEDIATE
        elif op == isa.MOV and it.offset:
            to.code = MOVSX if wide else MOVSX32
        elif it.offset and op in (isa.DIV, isa.MOD):
            to.code = (SDIV if wide else SDIV32) + (op == isa.MOD)
        elif op <= isa.ARSH:
            to.code = (op >> 4) + (0 if wide else 16)

    cdef decode_jump(self, Py_ssize_t at, it, bint wide, int op, Operation* to):
        cdef Py_ssize_t target = at + 1 + it.offset
        if op == isa.JA and not wide:
            target = at + 1 + it.imm
        if op == isa.CALL:
            self.decode_call(at, it, to)
            return
        if not it.by_register:
            to.src = IMMEDIATE
        if op in (isa.JA, isa.EXIT, isa.JCOND):
            wide = True
        to.offset = target if 0 <= target <= self.count else self.count
        if op <= isa.JCOND:
            to.code = (op >> 4) + (32 if wide else 48)

    cdef decode_call(self, Py_ssize_t at, it, Operation* to):
        to.src = 0
        if it.src == isa.CALL_LOCAL:
            target = at + 1 + it.imm
            to.code, to.offset = CALL_LOCAL, target if 0 <= target <= self.count else self.count
            return
        name = self.code.kfuncs[it.imm] if it.src == isa.CALL_KFUNC else ""
        if name in MODULE_FUNCTIONS:
            to.code, to.offset = CALL_MODULE, len(self.modules)
            self.modules.append(ModuleHook(name))
            return
        to.code = _PLAIN.get(name, CALL_KERNEL) if name else _HELPERS.get(it.imm, CALL_KERNEL)
        if to.code == CALL_LOOKUP and not self.maps:
            to.code = CALL_KERNEL
        to.imm = len(self.callees)
        self.callees.append(self.code.callee(it))

    # --- how the kernel calls it ---

    def hook(self):
        """Return the program as a function of the socket and the hook's arguments."""
        cdef int takes = _TAKES.get(self.member, SAMPLE if self.member == "cong_control_2" else 0)
        if takes == ALONE:
            def alone(Sock sk):
                return self.enter(sk, 0, 0, 0, 1, None)
            return alone
        if takes == NUMBER:
            def number(Sock sk, one):
                return self.enter(sk, PyLong_AsUnsignedLongLongMask(one) & U32, 0, 0, 2, None)
            return number
        if takes == NUMBERS:
            def numbers(Sock sk, one, two):
                cdef uint64_t first = PyLong_AsUnsignedLongLongMask(one) & U32
                cdef uint64_t second = PyLong_AsUnsignedLongLongMask(two) & U32
                return self.enter(sk, first, second, 0, 3, None)
            return numbers
        if takes == SAMPLE:
            def sampled(Sock sk, sample):
                return self.enter(sk, <uint64_t>self.sample_region << 32, 0, 0, 2, sample)
            return sampled

        def control(Sock sk, ack, flag, sample):
            cdef uint64_t first = PyLong_AsUnsignedLongLongMask(ack) & U32
            cdef uint64_t second = PyLong_AsUnsignedLongLongMask(flag)
            return self.enter(sk, first, second, <uint64_t>self.sample_region << 32, 4, sample)
        return control

    cdef object enter(
        self, Sock sk, uint64_t one, uint64_t two, uint64_t three, int words, object sample
    ):
        """Call the program from outside."""
        cdef Call call
        cdef uint64_t result
        call.sk, call.sample = <PyObject*>sk, <PyObject*>sample
        call.outside, call.area, call.settled = NULL, NULL, False
        call.words = words
        call.context[0], call.context[1] = <uint64_t>R_SOCK << 32, one
        call.context[2], call.context[3] = two, three
        call.depth, call.back_jumps, call.rounds = 0, 0, 0
        try:
            result = self.run(&call, 0, <uint64_t>R_CTX << 32, 0, 0, 0, 0)
        finally:
            if call.outside != NULL:
                (<Outside>call.outside).inner = NULL
                Py_DECREF(<Outside>call.outside)
        return result

    cdef Outside outside(self, Call* call):
        """Return the invocation as helpers see it."""
        cdef Outside made
        if call.outside == NULL:
            made = Outside.__new__(Outside)
            made.inner, made.machine, made.extra = call, self, None
            Py_INCREF(made)
            call.outside = <PyObject*>made
        return <Outside>call.outside

    # --- memory ---

    cdef char* area(self, Call* call, bint write) except? NULL:
        """Return the private area's bytes; NULL where it is another implementation's."""
        cdef PrivateArea found
        if call.area != NULL and (call.settled or not write):
            return call.area
        owner = (<Sock>call.sk).ca
        if type(owner) is not _PrivateArea:
            return NULL
        found = <PrivateArea>owner
        if found.stale:
            found.bytes()
        if write:
            found.state = None
        call.settled = found.state is None
        call.area = PyByteArray_AS_STRING(found.data)
        return call.area

    cdef inline char* bytes_at(self, Call* call, uint64_t address, Py_ssize_t size, bint write):
        """Return memory that is plain bytes; NULL for any other, and outside of it."""
        cdef uint64_t region = address >> 32
        cdef Py_ssize_t at = address & U32, end
        cdef Buffer buffer
        if R_FRAMES <= region < <uint64_t>(R_FRAMES + call.depth):
            return call.frames[region - R_FRAMES] + at if at + size <= STACK else NULL
        if region >= R_VALUES:
            region -= R_VALUES
            if region >= <uint64_t>len(self.buffers):
                return NULL
            buffer = <Buffer>self.buffers[region]
            end = PyByteArray_GET_SIZE(buffer.data)
            if at + size > end or (write and not buffer.writable):
                return NULL
            return PyByteArray_AS_STRING(buffer.data) + at
        if region == R_CTX and not write:
            return <char*>call.context + at if at + size <= 8 * call.words else NULL
        if R_SCRATCH <= region < R_SCRATCH_END and call.outside != NULL:
            return scratched(<Outside>call.outside, region, at, size)
        return NULL

    cdef inline uint64_t load(self, Call* call, uint64_t address, int size) except? FAILED:
        cdef Py_ssize_t at = address & U32
        cdef uint64_t region = address >> 32
        cdef char* data
        cdef Access* access
        if region == R_SOCK:
            if AREA_OFFSET <= at and at + size <= AREA_OFFSET + AREA:
                data = self.area(call, False)
                if data != NULL:
                    return fetched(data + at - AREA_OFFSET, size)
            else:
                access = TCP_SOCK.access(at, size)
                if access != NULL:
                    return TCP_SOCK.load(<object>call.sk, access)
        elif region == <uint64_t>self.sample_region and <object>call.sample is not None:
            access = self.sample.access(at, size)
            if access != NULL:
                return self.sample.load(<object>call.sample, access)
        else:
            data = self.bytes_at(call, address, size, False)
            if data != NULL:
                return fetched(data, size)
        return self.as_defined(call).load(address, size)

    cdef int remember(self, Operation* it, uint64_t address, int code) except -1:
        """Let a load or store at an address that it has had before take a shorter way."""
        cdef Py_ssize_t at = address & U32
        cdef uint64_t region = address >> 32
        cdef Access* access = NULL
        if region == R_SOCK and AREA_OFFSET <= at and at + it.size <= AREA_OFFSET + AREA:
            it.kind, it.place = OF_AREA, at - AREA_OFFSET
        elif region == R_CTX and it.size == 8 and at % 8 == 0 and at < 32 and code == LOAD_KNOWN:
            it.kind, it.place = OF_CONTEXT, at // 8
        elif region == R_SOCK or (region == <uint64_t>self.sample_region and code == LOAD_KNOWN):
            access = (TCP_SOCK if region == R_SOCK else self.sample).access(at, it.size)
            if access == NULL or access.count != 1 or not is_word(&access.parts[0]):
                return 0
            if code == STORE_KNOWN and not access.writable:
                return 0
            it.kind = OF_SOCK if region == R_SOCK else OF_SAMPLE
            it.place, it.mask = access.parts[0].place, access.parts[0].mask
        else:
            return 0
        it.address = address
        it.code = code
        return 0

    cdef inline int store(
        self, Call* call, uint64_t address, int size, uint64_t value
    ) except -1:
        cdef Py_ssize_t at = address & U32
        cdef uint64_t region = address >> 32
        cdef char* data
        cdef Access* access
        if region == R_SOCK:
            if AREA_OFFSET <= at and at + size <= AREA_OFFSET + AREA:
                data = self.area(call, True)
                if data != NULL:
                    put(data + at - AREA_OFFSET, size, value)
                    return 0
            else:
                access = TCP_SOCK.access(at, size)
                if access != NULL and access.writable:
                    return TCP_SOCK.store(<object>call.sk, access, value)
        else:
            data = self.bytes_at(call, address, size, True)
            if data != NULL:
                put(data, size, value)
                return 0
        self.as_defined(call).store(address, size, value)
        call.area = NULL
        return 0

    cdef as_defined(self, Call* call):
        """Return the interpreter's view of the same memory."""
        cdef int i
        arguments = [call.context[i] for i in range(1, call.words)]
        if <object>call.sample is not None:
            arguments[len(arguments) - 1] = <object>call.sample
        made = self.runtime.invocation(<object>call.sk, self.member, tuple(arguments), self.code)
        for i in range(call.depth):
            made.regions[R_FRAMES + i] = _Buffer(bytearray(call.frames[i][:STACK]))
        return made

    # --- running ---

    cdef uint64_t run(
        self, Call* call, Py_ssize_t slot,
        uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
    ) except? FAILED:
        """Run a function of the program on a frame of its own."""
        cdef uint64_t r[12]
        cdef char frame[STACK]
        cdef Py_ssize_t at = slot
        cdef int depth = call.depth
        cdef uint64_t result
        if depth >= FRAMES_MAX:
            raise BpfFault(f"the call stack of {depth + 1} frames is too deep")
        if self.has_frames:
            memset(frame, 0, STACK)
        memset(r, 0, sizeof(r))
        r[1], r[2], r[3], r[4], r[5] = r1, r2, r3, r4, r5
        r[10] = (<uint64_t>(R_FRAMES + depth) << 32) + STACK
        call.frames[depth] = frame
        call.depth = depth + 1
        try:
            result = self.follow(call, r, &at)
        except BpfFault as fault:
            call.depth = depth
            raise self.code.placed(fault, at) from fault
        call.depth = depth
        return result

    cdef uint64_t follow(self, Call* call, uint64_t* r, Py_ssize_t* where) except? FAILED:
        """Run instructions until the function returns; ``where`` is the one that is run."""
        cdef Operation* operations = self.operations
        cdef Operation* it
        cdef Py_ssize_t at = where[0], following
        cdef char* frame = call.frames[call.depth - 1]
        cdef long long rounds_left = MAY_GOTO
        cdef uint64_t a, b
        cdef uint32_t a32, b32
        cdef int64_t sa, sb
        while True:
            it = &operations[at]
            a = r[it.dst]
            r[IMMEDIATE] = it.imm  # where a second operand is one: no branch to be foretold wrongly
            b = r[it.src]
            following = at + 1
            if it.code == ADD:
                r[it.dst] = a + b
            elif it.code == SUB:
                r[it.dst] = a - b
            elif it.code == MUL:
                r[it.dst] = a * b
            elif it.code == DIV:
                r[it.dst] = a / b if b else 0
            elif it.code == MOD:
                r[it.dst] = a % b if b else a
            elif it.code == OR:
                r[it.dst] = a | b
            elif it.code == AND:
                r[it.dst] = a & b
            elif it.code == XOR:
                r[it.dst] = a ^ b
            elif it.code == LSH:
                r[it.dst] = a << (b & 63)
            elif it.code == RSH:
                r[it.dst] = a >> (b & 63)
            elif it.code == ARSH:
                r[it.dst] = <uint64_t>(<int64_t>a >> (b & 63))
            elif it.code == NEG:
                r[it.dst] = 0 - a
            elif it.code == MOV:
                r[it.dst] = b
            elif it.code == CONSTANT:
                r[it.dst] = it.imm
                following = at + 2
            elif it.code == ADD32:
                r[it.dst] = <uint32_t>(a + b)
            elif it.code == SUB32:
                r[it.dst] = <uint32_t>(a - b)
            elif it.code == MUL32:
                r[it.dst] = <uint32_t>(a * b)
            elif it.code == DIV32:
                a32, b32 = <uint32_t>a, <uint32_t>b
                r[it.dst] = a32 / b32 if b32 else 0
            elif it.code == MOD32:
                a32, b32 = <uint32_t>a, <uint32_t>b
                r[it.dst] = a32 % b32 if b32 else a32
            elif it.code == OR32:
                r[it.dst] = <uint32_t>(a | b)
            elif it.code == AND32:
                r[it.dst] = <uint32_t>(a & b)
            elif it.code == XOR32:
                r[it.dst] = <uint32_t>(a ^ b)
            elif it.code == LSH32:
                r[it.dst] = <uint32_t>(<uint32_t>a << (b & 31))
            elif it.code == RSH32:
                r[it.dst] = <uint32_t>a >> (b & 31)
            elif it.code == ARSH32:
                r[it.dst] = <uint32_t>(<int32_t>a >> (b & 31))
            elif it.code == NEG32:
                r[it.dst] = <uint32_t>(0 - a)
            elif it.code == MOV32:
                r[it.dst] = <uint32_t>b
            elif it.code == SDIV or it.code == SMOD:
                r[it.dst] = signed_division(a, b, it.code == SMOD)
            elif it.code == SDIV32 or it.code == SMOD32:
                a, b = extended(a, 32), extended(b, 32)
                r[it.dst] = <uint32_t>signed_division(a, b, it.code == SMOD32)
            elif it.code == MOVSX:
                r[it.dst] = extended(b, it.offset)
            elif it.code == MOVSX32:
                r[it.dst] = <uint32_t>extended(b, it.offset)
            elif it.code == CUT:
                r[it.dst] = a if it.imm == 64 else a & ((<uint64_t>1 << it.imm) - 1)
            elif it.code == SWAP:
                r[it.dst] = swapped(a, it.imm >> 3)
            elif it.code == LOAD_KNOWN:
                a = b + <uint64_t>it.offset
                if a != it.address:
                    where[0] = at
                    r[it.dst] = self.load(call, a, it.size)
                elif it.kind == OF_SOCK:
                    r[it.dst] = (<uint64_t*>(<char*>call.sk + it.place))[0] & it.mask
                elif it.kind == OF_CONTEXT:
                    r[it.dst] = call.context[it.place]
                elif it.kind == OF_SAMPLE:
                    r[it.dst] = (<uint64_t*>(<char*>call.sample + it.place))[0] & it.mask
                elif call.area != NULL:
                    r[it.dst] = fetched(call.area + it.place, it.size)
                else:
                    where[0] = at
                    r[it.dst] = self.load(call, a, it.size)
            elif it.code == LOAD:
                a = b + <uint64_t>it.offset
                if a - (r[10] - STACK) <= <uint64_t>(STACK - it.size):
                    r[it.dst] = fetched(frame + (a - (r[10] - STACK)), it.size)
                else:
                    where[0] = at
                    r[it.dst] = self.load(call, a, it.size)
                    self.remember(it, a, LOAD_KNOWN)
            elif it.code == LOAD_SIGNED:
                where[0] = at
                a = self.load(call, b + <uint64_t>it.offset, it.size)
                r[it.dst] = extended(a, 8 * it.size) if it.size < 8 else a
            elif it.code == STORE:
                a += <uint64_t>it.offset
                if a - (r[10] - STACK) <= <uint64_t>(STACK - it.size):
                    put(frame + (a - (r[10] - STACK)), it.size, b)
                else:
                    where[0] = at
                    self.store(call, a, it.size, b)
                    self.remember(it, a, STORE_KNOWN)
            elif it.code == STORE_KNOWN:
                a += <uint64_t>it.offset
                if a == it.address and it.kind == OF_SOCK:
                    (<uint64_t*>(<char*>call.sk + it.place))[0] = b & it.mask
                elif a == it.address and call.area != NULL and call.settled:
                    put(call.area + it.place, it.size, b)
                else:
                    where[0] = at
                    self.store(call, a, it.size, b)
            elif it.code == ATOMIC:
                where[0] = at
                self.atomic(call, r, it)
            elif it.code == JA:
                following = it.offset
            elif it.code == JEQ:
                following = it.offset if a == b else following
            elif it.code == JNE:
                following = it.offset if a != b else following
            elif it.code == JGT:
                following = it.offset if a > b else following
            elif it.code == JGE:
                following = it.offset if a >= b else following
            elif it.code == JLT:
                following = it.offset if a < b else following
            elif it.code == JLE:
                following = it.offset if a <= b else following
            elif it.code == JSET:
                following = it.offset if a & b else following
            elif it.code == JSGT:
                following = it.offset if <int64_t>a > <int64_t>b else following
            elif it.code == JSGE:
                following = it.offset if <int64_t>a >= <int64_t>b else following
            elif it.code == JSLT:
                following = it.offset if <int64_t>a < <int64_t>b else following
            elif it.code == JSLE:
                following = it.offset if <int64_t>a <= <int64_t>b else following
            elif it.code == JEQ32:
                following = it.offset if <uint32_t>a == <uint32_t>b else following
            elif it.code == JNE32:
                following = it.offset if <uint32_t>a != <uint32_t>b else following
            elif it.code == JGT32:
                following = it.offset if <uint32_t>a > <uint32_t>b else following
            elif it.code == JGE32:
                following = it.offset if <uint32_t>a >= <uint32_t>b else following
            elif it.code == JLT32:
                following = it.offset if <uint32_t>a < <uint32_t>b else following
            elif it.code == JLE32:
                following = it.offset if <uint32_t>a <= <uint32_t>b else following
            elif it.code == JSET32:
                following = it.offset if <uint32_t>a & <uint32_t>b else following
            elif it.code == JSGT32:
                following = it.offset if <int32_t>a > <int32_t>b else following
            elif it.code == JSGE32:
                following = it.offset if <int32_t>a >= <int32_t>b else following
            elif it.code == JSLT32:
                following = it.offset if <int32_t>a < <int32_t>b else following
            elif it.code == JSLE32:
                following = it.offset if <int32_t>a <= <int32_t>b else following
            elif it.code == EXIT:
                return r[0]
            elif it.code == JCOND:
                if not rounds_left:
                    following = it.offset
                else:
                    rounds_left -= 1
                    where[0] = at
                    self.round(call)
                    call.back_jumps -= 1
            elif it.code == CALL_LOCAL:
                where[0] = at
                r[0] = self.run(call, it.offset, r[1], r[2], r[3], r[4], r[5])
            elif it.code == UNKNOWN:
                where[0] = at
                self.unknown(at)
            else:
                where[0] = at
                r[0] = self.kernel(call, r, it)
            if following <= at:
                call.back_jumps += 1
                if call.back_jumps > BACK_JUMPS:
                    where[0] = at
                    raise BpfFault(
                        f"the loop does not end: it has gone round {BACK_JUMPS} times"
                    )
            at = following

    cdef unknown(self, Py_ssize_t at):
        if at >= self.count:
            raise BpfFault("the program goes on behind its end")
        raise BpfFault(f"unknown opcode {self.code.instructions[at].opcode:#04x}")

    cdef int atomic(self, Call* call, uint64_t* r, Operation* it) except -1:
        cdef uint64_t address = r[it.dst] + <uint64_t>it.offset, old, new, value = r[it.src]
        cdef uint64_t mask = ((<uint64_t>1 << (8 * it.size)) - 1) if it.size < 8 else <uint64_t>-1
        cdef int kind = it.imm & 0xF0
        if it.imm == 0x100:  # load acquire
            r[it.dst] = self.load(call, value + <uint64_t>it.offset, it.size)
            return 0
        if it.imm == 0x110:  # store release
            return self.store(call, address, it.size, value)
        old = self.load(call, address, it.size)
        if kind == 0xF0:  # compare and exchange
            if old == r[0] & mask:
                self.store(call, address, it.size, value)
            r[0] = old
            return 0
        if kind == 0:
            new = old + value
        elif kind == 0x40:
            new = old | value
        elif kind == 0x50:
            new = old & value
        elif kind == 0xA0:
            new = old ^ value
        else:
            new = value
        self.store(call, address, it.size, new)
        if it.imm & 1:
            r[it.src] = old
        return 0

    # --- calls ---

    cdef uint64_t kernel(self, Call* call, uint64_t* r, Operation* it) except? FAILED:
        """Call a helper or a kernel function."""
        cdef Sock sk = <Sock>call.sk
        cdef bint is_own = r[1] == <uint64_t>R_SOCK << 32
        cdef uint64_t index
        if it.code == CALL_JIFFIES:
            if self.plain_host:
                return PyLong_AsUnsignedLongLongMask(sk.tcp_jiffies32)
            return PyLong_AsUnsignedLongLongMask(self.host.jiffies64(sk))
        if it.code == CALL_CLOCK:
            if self.plain_host:
                return <uint64_t>sk.tcp_clock_cache
            return PyLong_AsUnsignedLongLongMask(self.host.ktime_ns(sk))
        if it.code == CALL_RANDOM:
            return PyLong_AsUnsignedLongLongMask(self.host.random(sk))
        if it.code == CALL_NOTHING:
            return 0
        if it.code == CALL_MODULE and is_own:
            return self.module(call, r, <ModuleHook>self.modules[it.offset])
        if it.code == CALL_LOOKUP and r[1] >> 32 == R_MAPS and (r[1] & U32) < len(self.maps):
            found = self.maps[r[1] & U32]
            if type(found) is ArrayMap:
                index = self.load(call, r[2], 4)
                if index >= <uint64_t>found.max_entries:
                    return 0
                return found.address + index * <uint64_t>found.stride
        if it.code == CALL_LOOP and r[2] >> 32 == R_FUNCTIONS and not r[4]:
            return self.loop(call, r[1] & U32, r[2] & U32, r[3])
        if is_own and CALL_SSTHRESH <= it.code <= CALL_AI:
            return self.reno(sk, r, it.code)
        return self.generic(call, r, it)

    cdef uint64_t reno(self, Sock sk, uint64_t* r, int code) except? FAILED:
        """Call one of the functions of tcp_cong.c."""
        if code == CALL_SSTHRESH:
            return <uint64_t>tcp_reno_ssthresh(sk)
        if code == CALL_UNDO:
            return <uint64_t>tcp_reno_undo_cwnd(sk)
        if code == CALL_SLOW_START:
            return <uint64_t>tcp_slow_start(sk, r[2] & U32)
        if code == CALL_RENO:
            tcp_reno_cong_avoid(sk, r[2] & U32, r[3] & U32)
            return 0
        if r[2] & U32 == 0:
            raise BpfFault("tcp_cong_avoid_ai: w is 0, by which Linux would divide")
        tcp_cong_avoid_ai(sk, r[2] & U32, r[3] & U32)
        return 0

    cdef int round(self, Call* call) except -1:
        """Count a round of a loop that has no other bound when it stands in another."""
        call.rounds += 1
        if call.rounds > ROUNDS:
            raise BpfFault(f"the loops of one call have gone round {ROUNDS} times")
        return 0

    cdef uint64_t loop(
        self, Call* call, uint64_t rounds, Py_ssize_t slot, uint64_t context
    ) except? FAILED:
        """Run a callback so many times, or until it returns something (``bpf_loop``)."""
        cdef uint64_t index
        if rounds > LOOPS:
            return <uint64_t>-7
        if slot > self.count:
            slot = self.count
        for index in range(rounds):
            self.round(call)
            if self.run(call, slot, index, context, 0, 0, 0):
                return index + 1
        return rounds

    cdef uint64_t module(self, Call* call, uint64_t* r, ModuleHook hook) except? FAILED:
        """Call a hook of a shipped algorithm on the state that it keeps in the private area."""
        cdef Sock sk = <Sock>call.sk
        cdef PrivateArea area
        owner, own = sk.ca, sk.ca_ops
        if type(owner) is not _PrivateArea:
            raise BpfFault("the private area is another implementation's")
        arguments = self.given(call, r, hook)
        area = <PrivateArea>owner
        if hook.begins or area.state is None or area.layout is not hook.layout:
            take = hook.layout.begin if hook.begins else hook.layout.state
            state = take(area, hook.ops, sk)
        else:
            state = area.state
        call.area = NULL
        sk.ca, sk.ca_ops = state, hook.ops
        try:
            result = hook.function(sk, *arguments)
        finally:
            if sk.ca is state:
                sk.ca = area
                if hook.plain:
                    area.stale = True
                else:
                    hook.layout.changed(area, state)
            if sk.ca_ops is hook.ops:
                sk.ca_ops = own
        return PyLong_AsUnsignedLongLongMask(result) if result is not None else 0

    cdef tuple given(self, Call* call, uint64_t* r, ModuleHook hook):
        """Return a hook's arguments after the socket."""
        cdef int at = 2 if hook.takes == SAMPLE else 4
        if hook.takes == ALONE:
            return ()
        if hook.takes == NUMBER:
            return (r[2] & (0xFF if hook.member == "set_state" else <uint64_t>U32),)
        if hook.takes == NUMBERS:
            return r[2] & U32, r[3] & U32
        if (
            r[at] >> 32 != <uint64_t>self.sample_region
            or hook.wants != self.sample_region
            or <object>call.sample is None
        ):
            raise BpfFault(f"expected the sample, got {r[at]:#x}")
        sample = <object>call.sample
        return (sample,) if at == 2 else (r[2] & U32, <int32_t>r[3], sample)

    cdef uint64_t generic(self, Call* call, uint64_t* r, Operation* it) except? FAILED:
        """Call what is written in Python."""
        function = self.callees[it.imm] if it.code != CALL_MODULE else (
            (<ModuleHook>self.modules[it.offset]).defined
        )
        result = function(self.outside(call), r[1], r[2], r[3], r[4], r[5])
        call.area = NULL
        return PyLong_AsUnsignedLongLongMask(result)


cdef inline uint64_t signed_division(uint64_t a, uint64_t b, bint remainder) noexcept:
    """Return a quotient or a remainder; what does not fit goes round, as in the kernel."""
    if b == 0:
        return a if remainder else 0
    if b == <uint64_t>-1:
        return 0 if remainder else 0 - a
    if remainder:
        return <uint64_t>(<int64_t>a % <int64_t>b)
    return <uint64_t>(<int64_t>a / <int64_t>b)


cdef class ModuleHook:
    """A hook of a shipped algorithm that programs call as a kernel function."""

    cdef object ops, layout, function, defined
    cdef str member
    cdef int takes, wants
    cdef bint begins, plain

    def __init__(self, name):
        self.ops, self.layout, self.member, self.defined = module_hook(name)
        self.function = getattr(self.ops, self.member)
        self.takes = _TAKES.get(self.member, ALONE)
        self.wants = R_ACK_SAMPLE if self.member == "pkts_acked" else R_RATE_SAMPLE
        self.begins = self.member == "init"
        self.plain = type(self.layout).changed is Layout.changed


cdef char* scratched(Outside outside, uint64_t region, Py_ssize_t at, Py_ssize_t size):
    found = outside.extra.get(region) if outside.extra is not None else None
    if found is None or at + size > PyByteArray_GET_SIZE(found):
        return NULL
    return PyByteArray_AS_STRING(found) + at


cdef class Outside:
    """An invocation as helpers see it (`ccsim.bpf.memory.Invocation`); empty once it is over."""

    cdef Call* inner
    cdef Machine machine
    cdef dict extra

    cdef Call* there(self) except NULL:
        if self.inner == NULL:
            raise BpfFault("the invocation is over")
        return self.inner

    @property
    def runtime(self):
        return self.machine.runtime

    @property
    def code(self):
        return self.machine.code

    @property
    def sk(self):
        return <object>self.there().sk

    @property
    def depth(self):
        return self.there().depth

    @property
    def back_jumps(self):
        return self.there().back_jumps

    @back_jumps.setter
    def back_jumps(self, long long number):
        self.there().back_jumps = number

    def go_round(self):
        self.machine.round(self.there())

    @property
    def regions(self):
        return self.machine.as_defined(self.there()).regions

    def load(self, uint64_t address, int size):
        return self.machine.load(self.there(), address, size)

    def store(self, uint64_t address, int size, value):
        self.machine.store(self.there(), address, size, PyLong_AsUnsignedLongLongMask(value))

    def read(self, uint64_t address, Py_ssize_t size):
        cdef Call* call = self.there()
        cdef char* data = self.machine.bytes_at(call, address, size, False)
        if data != NULL:
            return data[:size]
        found = bytearray(size)
        for i in range(size):
            found[i] = self.machine.load(call, address + i, 1)
        return bytes(found)

    def write(self, uint64_t address, data):
        for i, byte in enumerate(data):
            self.machine.store(self.there(), address + i, 1, byte)

    def read_text(self, uint64_t address, Py_ssize_t size):
        found = bytearray()
        while len(found) < size:
            byte = self.machine.load(self.there(), address + len(found), 1)
            if not byte:
                break
            found.append(byte)
        return bytes(found)

    def call(self, Py_ssize_t slot, *arguments):
        cdef uint64_t r[5]
        cdef int i
        for i in range(5):
            r[i] = PyLong_AsUnsignedLongLongMask(arguments[i]) if i < len(arguments) else 0
        if slot > self.machine.count:
            slot = self.machine.count
        return self.machine.run(self.there(), slot, r[0], r[1], r[2], r[3], r[4])

    def scratch(self, size):
        return _scratch(self, size)

    def lend(self, data):
        if self.extra is None:
            self.extra = {}
        number = R_SCRATCH + len(self.extra)
        self.extra[number] = data
        return number

    def take_back(self, number):
        del self.extra[number]


@contextmanager
def _scratch(outside, size):
    data = bytearray(size)
    number = outside.lend(data)
    try:
        yield number << 32, data
    finally:
        outside.take_back(number)
