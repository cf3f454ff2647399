// Implements the values of the kernel's configuration that programs read: the map .kconfig.

package elf

import (
	"bufio"
	"bytes"
	"compress/gzip"
	stdelf "debug/elf"
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// defaultVersion is Linux 6.18, whose behaviour is that of Skep.
const defaultVersion = 6<<16 | 18<<8

// loadKconfig makes the map .kconfig if the object declares such variables.
func (o *object) loadKconfig() error {
	ds := o.datasec(".kconfig")
	if ds == nil || len(ds.Vars) == 0 {
		return nil
	}
	sec := &section{name: ".kconfig"}
	if ds.Size > 1<<20 {
		return sec.wrong("its variables have %d bytes in all", ds.Size)
	}
	value := make([]byte, ds.Size)
	for _, v := range ds.Vars {
		typ, ok := v.Type.(*btf.Var)
		if !ok {
			return sec.wrong("there is a %T in it, expected a variable", v.Type)
		}
		size, err := btf.Sizeof(typ.Type)
		if err != nil || uint64(v.Offset)+uint64(size) > uint64(len(value)) {
			return sec.wrongSymbol(typ.Name, "its %d bytes at %d are outside the section's %d (%v)", size, v.Offset, len(value), err)
		}
		text, ok := o.configured(typ.Name)
		if !ok {
			if !o.isWeak(typ.Name) {
				return sec.wrongSymbol(typ.Name, "the configuration of the kernel does not say what it is, and it is not declared __weak")
			}
			continue
		}
		if err := setConfig(value[v.Offset:v.Offset+uint32(size)], typ.Type, text); err != "" {
			return sec.wrongSymbol(typ.Name, "%s is configured as %s: %s", typ.Name, text, err)
		}
	}
	m := spec.Map{Name: ".kconfig", Type: spec.Array, KeySize: 4, ValueSize: ds.Size, MaxEntries: 1, Flags: readOnly, Frozen: true,
		ValueType: ds, Contents: []spec.MapEntry{{Key: make([]byte, 4), Value: value}}}
	o.mapNames[m.Name] = true
	o.out.Maps = append(o.out.Maps, m)
	sec.mapName, sec.size = m.Name, uint64(ds.Size)
	o.addVariables(sec, ds, nil, 0)
	return nil
}

// isWeak reports whether the object can do without an external name. One that nothing refers to it can.
func (o *object) isWeak(name string) bool {
	bind, ok := o.missing[name]
	return !ok || bind == stdelf.STB_WEAK
}

// configured returns the value of a variable as the kernel's configuration would write it.
func (o *object) configured(name string) (string, bool) {
	version := o.opts.KernelVersion
	if version == 0 {
		version = hostVersion()
	}
	switch name {
	case "LINUX_KERNEL_VERSION":
		return strconv.FormatUint(uint64(version), 10), true
	case "LINUX_HAS_BPF_COOKIE", "LINUX_HAS_SYSCALL_WRAPPER":
		// Attach cookies came with 5.15; system calls take their arguments from a structure since 4.17.
		since := uint32(5<<16 | 15<<8)
		if name == "LINUX_HAS_SYSCALL_WRAPPER" {
			since = 4<<16 | 17<<8
		}
		if version >= since {
			return "y", true
		}
		return "n", true
	}
	config := o.opts.Kconfig
	if config == nil {
		config = hostConfig()
	}
	text, ok := config[name]
	return text, ok
}

// setConfig writes a configured value into a variable of some type. It returns what is wrong.
func setConfig(to []byte, t btf.Type, text string) string {
	tristate := map[string]uint64{"n": 0, "y": 1, "m": 2}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		n, ok := tristate[text]
		if t.Encoding == btf.Bool && (!ok || n == 2) {
			return "a bool is y or n"
		}
		if t.Encoding == btf.Char && t.Size == 1 && ok {
			to[0] = text[0]
			return ""
		}
		if !ok {
			signed, err := strconv.ParseInt(text, 0, 64)
			if n = uint64(signed); err != nil {
				if n, err = strconv.ParseUint(text, 0, 64); err != nil {
					return "that is not a number"
				}
			}
			if bits := 8 * len(to); bits < 64 && int64(n)>>bits != 0 && int64(n)>>(bits-1) != -1 {
				return "that does not fit into " + strconv.Itoa(bits) + " bits"
			}
		}
		putNumber(to, n)
		return ""
	case *btf.Enum: // enum libbpf_tristate: no, yes, module
		n, ok := tristate[text]
		if !ok {
			return "an enumeration is y, n or m"
		}
		putNumber(to, n)
		return ""
	case *btf.Array:
		s, err := strconv.Unquote(text)
		if err != nil {
			return "that is not a string in quotes"
		}
		if len(to) > 0 {
			copy(to[:len(to)-1], s)
		}
		return ""
	}
	return "a variable of this type cannot hold it"
}

func putNumber(to []byte, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	copy(to, b[:])
}

// hostConfig reads the running kernel's configuration, once. Where there is none, it is empty.
var hostConfig = sync.OnceValue(func() map[string]string {
	config := map[string]string{}
	if runtime.GOOS != "linux" {
		return config
	}
	for _, name := range []string{"/proc/config.gz", "/boot/config-" + hostRelease()} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if r, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			if data, err = io.ReadAll(io.LimitReader(r, 64<<20)); err != nil {
				continue
			}
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), "="); ok && strings.HasPrefix(name, "CONFIG_") {
				config[name] = value
			}
		}
		break
	}
	return config
})

// hostRelease returns the release of the running kernel, such as "6.18.1-amd64".
func hostRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil || runtime.GOOS != "linux" {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// hostVersion returns the version of the running kernel as LINUX_KERNEL_VERSION encodes it, or the default.
func hostVersion() uint32 {
	var parts [3]uint64
	for i, text := range strings.SplitN(hostRelease(), ".", 3) {
		digits := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
		if digits >= 0 {
			text = text[:digits]
		}
		parts[i], _ = strconv.ParseUint(text, 10, 16)
	}
	if parts[0] == 0 {
		return defaultVersion
	}
	return uint32(parts[0]<<16 | min(parts[1], 255)<<8 | min(parts[2], 255))
}
