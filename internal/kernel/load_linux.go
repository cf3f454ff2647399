// Implements loading: program and maps into the kernel, and the verifier's log on the way back.

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"

	"golang.org/x/sys/unix"
)

// Program is a program in the kernel. Its methods are safe for concurrent use, except Close.
type Program struct {
	name     string
	progType spec.ProgramType
	fd       fd
	maps     []fd
	log      string
}

// Available returns nil if this process may load programs and run them, else the reason why not. The kernel
// is asked once.
func Available() error { return available() }

var available = sync.OnceValue(func() error {
	p := &spec.Program{Name: "probe", Type: spec.SocketFilter, License: "GPL", Insns: []isa.Instruction{
		isa.Mov64Imm.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}}
	prog, err := Load(p, nil, nil)
	if err == nil {
		_, err = prog.RunPacket(make([]byte, ethernetHeader), 1)
		err = errors.Join(err, prog.Close())
	}
	switch {
	case err == nil:
		return nil
	case isDenied(err):
		return fmt.Errorf("this process may not run programs in the kernel: it needs CAP_BPF and CAP_NET_ADMIN, or to be root: %w", err)
	}
	return fmt.Errorf("this kernel does not run programs: %w", err)
})

// Judge returns nil if this process may load programs and the kernel is no older than the one whose verdicts Skep
// gives, Linux 6.18, else the reason why not.
func Judge() error {
	if err := Available(); err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 18 {
		return fmt.Errorf("this kernel is Linux %s, and what it is compared with is 6.18", release)
	}
	return nil
}

// Load creates the maps that the program refers to, fills them, and loads the program. A program that the
// kernel refuses gives a *VerifierError. maps are the maps that the program can name; nil options work.
func Load(p *spec.Program, maps []spec.Map, opts *Options) (*Program, error) {
	if opts == nil {
		opts = &Options{}
	}
	if len(p.Insns) == 0 {
		return nil, fmt.Errorf("program %q has no instructions", p.Name)
	}
	out := &Program{name: p.Name, progType: p.Type}
	code, err := out.link(p, maps, opts)
	if err == nil {
		err = variables(p, code)
	}
	if err == nil {
		err = out.load(p, maps, code, opts)
	}
	if err != nil {
		for _, m := range out.maps {
			m.close()
		}
		return nil, err
	}
	return out, nil
}

// link returns the program's code with map descriptors and helper numbers in their places.
func (out *Program) link(p *spec.Program, maps []spec.Map, opts *Options) ([]isa.Instruction, error) {
	code := slices.Clone(p.Insns)
	made := map[string]fd{}
	for _, ref := range p.Maps {
		if ref.Insn < 0 || ref.Insn+1 >= len(code) || isa.Linux.Slots(code[ref.Insn].Code) != 2 {
			return nil, fmt.Errorf("program %q: map %q is named at instruction %d, which is no wide load", p.Name, ref.Map, ref.Insn)
		}
		m, ok := made[ref.Map]
		if given, there := opts.Maps[ref.Map]; there {
			m, ok = fd(given), true
		}
		if !ok {
			i := slices.IndexFunc(maps, func(m spec.Map) bool { return m.Name == ref.Map })
			if i < 0 {
				return nil, fmt.Errorf("program %q: instruction %d names map %q, which there is not", p.Name, ref.Insn, ref.Map)
			}
			kept, err := false, error(nil)
			if m, kept, err = opts.Keep.create(&maps[i], opts); err != nil {
				return nil, err
			}
			if made[ref.Map] = m; !kept {
				out.maps = append(out.maps, m)
			}
		}
		op, offset := isa.LdMapFD, int32(0)
		if ref.Value {
			op, offset = isa.LdMapValue, int32(ref.Offset)
		}
		code[ref.Insn] = op.Make(code[ref.Insn].Dst(), 0, 0, int32(m))
		code[ref.Insn+1] = isa.Instruction{Imm: offset}
	}
	for _, ref := range p.Calls {
		if ref.Insn < 0 || ref.Insn >= len(code) {
			return nil, fmt.Errorf("program %q: helper %q is named at instruction %d, outside the program", p.Name, ref.Helper, ref.Insn)
		}
		if row, err := isa.Linux.Lookup(code, ref.Insn); err == nil && row.Op == isa.CallKfunc {
			id, err := kernelFunction(ref.Helper)
			if err != nil && !ref.Weak {
				return nil, fmt.Errorf("program %q: instruction %d: %w", p.Name, ref.Insn, err)
			}
			code[ref.Insn] = isa.CallKfunc.Make(0, 0, 0, id)
			continue
		}
		id, ok := int32(0), false
		if opts.HelperID != nil {
			id, ok = opts.HelperID(ref.Helper)
		}
		if !ok {
			return nil, fmt.Errorf("program %q: instruction %d calls helper %q, whose number is not known", p.Name, ref.Insn, ref.Helper)
		}
		code[ref.Insn] = isa.Call.Make(0, 0, 0, id)
	}
	return code, nil
}

// load makes the system call: first without a log, which is fastest.
func (out *Program) load(p *spec.Program, maps []spec.Map, code []isa.Instruction, opts *Options) error {
	var pin pins
	defer pin.Unpin()
	attr := progLoadAttr{
		progType:           uint32(p.Type),
		insnCount:          uint32(len(code)),
		insns:              pin.addr(encode(code)),
		license:            pin.addr(append([]byte(p.License), 0)),
		flags:              uint32(p.Flags),
		name:               objectName(p.Name),
		expectedAttachType: p.AttachType,
	}
	if p.Type == spec.Syscall {
		attr.flags |= unix.BPF_F_SLEEPABLE // the only form there is
	}
	if err := target(p, maps, &attr); err != nil {
		return err
	}
	if starts, wanted := functions(code); wanted || hasGlobals(p) {
		h, infos, err := describeFunctions(starts, p.Funcs)
		if err != nil {
			return fmt.Errorf("program %q: %w", p.Name, err)
		}
		defer h.Close()
		table := make([]byte, 0, 8*len(infos))
		for _, f := range infos {
			table = binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(table, f.insn), f.typeID)
		}
		attr.btfFD, attr.funcInfoSize, attr.funcInfo, attr.funcInfoCount = uint32(h.FD()), 8, pin.addr(table), uint32(len(infos))
	}
	level := max(opts.LogLevel, 1)
	var log string
	var n int
	var err error
	if opts.AlwaysLog {
		n, log, err = loadWithLog(attr, level)
	} else if n, err = bpf(unix.BPF_PROG_LOAD, &attr); err != nil && opts.Log && !isDenied(err) {
		n, log, err = loadWithLog(attr, level)
	}
	if err != nil {
		return &VerifierError{Name: p.Name, Err: err, Log: log}
	}
	out.fd, out.log = fd(n), log
	return nil
}

// The sizes of the log buffer, bytes. The kernel takes up to a quarter of 4 GiB.
const (
	firstLog = 1 << 16
	maxLog   = 1 << 28
)

// loadWithLog loads with a log buffer that grows until the log fits. If the log is longer than maxLog, what
// the kernel kept of it is returned: its end since Linux 6.4, its start before.
func loadWithLog(attr progLoadAttr, level uint32) (int, string, error) {
	for size := uint32(firstLog); ; {
		var pin pins
		buf := make([]byte, size)
		try := attr
		try.logLevel, try.logSize, try.logBuf = level, size, pin.addr(buf)
		n, err := bpf(unix.BPF_PROG_LOAD, &try)
		pin.Unpin()
		if errors.Is(err, unix.ENOSPC) && size < maxLog {
			size = min(max(size*4, try.logTrueSize), maxLog)
			continue
		}
		return n, unix.ByteSliceToString(buf), err
	}
}

// Log returns the verifier's log of the accepted program, "" unless Options.AlwaysLog was set.
func (p *Program) Log() string { return p.log }

// FD returns the program's file descriptor, to attach it with. It is good until Close.
func (p *Program) FD() int { return int(p.fd) }

// Close gives the program and its maps back to the kernel. The program cannot be used afterwards.
func (p *Program) Close() error {
	err := p.fd.close()
	for _, m := range p.maps {
		err = errors.Join(err, m.close())
	}
	p.maps = nil
	return err
}

// encode returns code in the byte order of this machine, as its kernel expects it.
func encode(code []isa.Instruction) []byte {
	out := make([]byte, 0, len(code)*isa.InstructionSize)
	for _, in := range code {
		out = in.Append(out, binary.NativeEndian)
	}
	return out
}
