// Implements the rules for definitions: what the kernel accepts, in one table.

package bpfmap

import (
	"fmt"

	"github.com/skepbpf/skep/spec"
)

// Map flags, as the kernel's UAPI has them.
const (
	flagNoPrealloc    = 1 << 0
	flagNoCommonLRU   = 1 << 1
	flagNUMANode      = 1 << 2
	flagRdonly        = 1 << 3
	flagWronly        = 1 << 4
	flagStackBuildID  = 1 << 5
	flagZeroSeed      = 1 << 6
	flagRdonlyProg    = 1 << 7
	flagWronlyProg    = 1 << 8
	flagClone         = 1 << 9
	flagMMapable      = 1 << 10
	flagPreserveElems = 1 << 11
	flagInnerMap      = 1 << 12
	flagLink          = 1 << 13
	flagTypeOfModule  = 1 << 15
	flagFaults        = 1 << 17
	flagNoUserConv    = 1 << 18

	flagsAccess = flagRdonly | flagWronly | flagRdonlyProg | flagWronlyProg
	flagsHash   = flagNoPrealloc | flagNoCommonLRU | flagNUMANode | flagsAccess | flagZeroSeed
)

// Limits of the kernel (KMALLOC_MAX_SIZE, PCPU_MIN_UNIT_SIZE, PERF_MAX_STACK_DEPTH, NR_CPUS as usually built).
const (
	maxValue       = 1 << 22
	maxHashElement = maxValue - 48
	maxPerCPUValue = 32 << 10
	maxStackDepth  = 127
	maxCPUs        = 8192
	pageSize       = 4096
)

// anySize stands for sizes that only have to be above 0.
const anySize = -1

// rule says what a definition of a type must be like.
type rule struct {
	make    func(m *Local, o *Options) impl
	flags   uint32 // allowed ones
	must    uint32 // required ones
	key     int    // bytes, or anySize
	values  []int  // sizes in bytes, or anySize
	entries bool   // whether max_entries has to be above 0
	check   func(def *spec.Map) (Errno, string)
}

var (
	anyValue  = []int{anySize}
	fdValue   = []int{4}
	noValue   = []int{0}
	portValue = []int{4, 8}
)

// rules has a row for each type. It is filled in by an init function, since the makers refer to it.
var rules map[spec.MapType]rule

func init() {
	rules = map[spec.MapType]rule{
		spec.Array:          {newArray, flagNUMANode | flagMMapable | flagsAccess | flagInnerMap, 0, 4, anyValue, true, checkArray},
		spec.PerCPUArray:    {newPerCPUArray, flagNUMANode | flagsAccess, 0, 4, anyValue, true, checkPerCPU},
		spec.Hash:           {newHash, flagsHash &^ flagNoCommonLRU, 0, anySize, anyValue, true, checkHash},
		spec.PerCPUHash:     {newHash, flagsHash &^ flagNoCommonLRU &^ flagNUMANode, 0, anySize, anyValue, true, checkHash},
		spec.LRUHash:        {newHash, flagsHash, 0, anySize, anyValue, true, checkHash},
		spec.LRUPerCPUHash:  {newHash, flagsHash &^ flagNUMANode, 0, anySize, anyValue, true, checkHash},
		spec.ProgArray:      {newProgArray, flagNUMANode | flagRdonly | flagWronly, 0, 4, fdValue, true, nil},
		spec.ArrayOfMaps:    {newArrayOfMaps, flagNUMANode | flagRdonly | flagWronly, 0, 4, fdValue, true, checkOuter},
		spec.HashOfMaps:     {newHashOfMaps, flagsHash &^ flagNoCommonLRU, 0, anySize, fdValue, true, checkOuter},
		spec.PerfEventArray: {newEventArray, flagNUMANode | flagRdonly | flagWronly | flagPreserveElems, 0, 4, fdValue, true, nil},
		spec.CGroupArray:    {newCGroupArray, flagNUMANode | flagRdonly | flagWronly, 0, 4, fdValue, true, nil},
		spec.RingBuf:        {newRingBuf, flagNUMANode, 0, 0, noValue, true, checkRing},
		spec.UserRingBuf:    {newUserRingBuf, flagNUMANode, 0, 0, noValue, true, checkRing},
		spec.Queue:          {newQueue, flagNUMANode | flagsAccess, 0, 0, anyValue, true, checkQueue},
		spec.Stack:          {newStack, flagNUMANode | flagsAccess, 0, 0, anyValue, true, checkQueue},
		spec.BloomFilter:    {newBloom, flagNUMANode | flagsAccess | flagZeroSeed, 0, 0, anyValue, true, checkQueue},
		spec.LPMTrie:        {newTrie, flagNoPrealloc | flagNUMANode | flagsAccess, flagNoPrealloc, anySize, anyValue, true, checkTrie},
		spec.Devmap:         {newDevmap, flagNUMANode | flagRdonly | flagWronly, 0, 4, portValue, true, nil},
		spec.DevmapHash:     {newDevmapHash, flagNUMANode | flagRdonly | flagWronly, 0, 4, portValue, true, checkBuckets},
		spec.CPUMap:         {newCPUMap, flagNUMANode, 0, 4, portValue, true, checkCPUMap},
		spec.XSKMap:         {newXSKMap, flagNUMANode | flagRdonly | flagWronly, 0, 4, fdValue, true, nil},
		spec.Sockmap:        {newSockmap, flagNUMANode | flagRdonly | flagWronly, 0, 4, portValue, true, nil},
		spec.Sockhash:       {newSockhash, flagNUMANode | flagRdonly | flagWronly, 0, anySize, portValue, true, checkSockhash},
		spec.StackTrace:     {newStackTrace, flagNUMANode | flagRdonly | flagWronly | flagStackBuildID, 0, 4, anyValue, true, checkStackTrace},
		spec.SkStorage:      {newStorage, flagNoPrealloc | flagClone, flagNoPrealloc, 4, anyValue, false, checkStorage},
		spec.TaskStorage:    {newStorage, flagNoPrealloc | flagClone, flagNoPrealloc, 4, anyValue, false, checkStorage},
		spec.InodeStorage:   {newStorage, flagNoPrealloc | flagClone, flagNoPrealloc, 4, anyValue, false, checkStorage},
		spec.CgrpStorage:    {newStorage, flagNoPrealloc | flagClone, flagNoPrealloc, 4, anyValue, false, checkStorage},
		spec.StructOpsMap:   {newArray, flagLink | flagTypeOfModule, 0, 4, anyValue, true, checkStructOps},
		spec.Arena:          {newArena, flagMMapable | flagFaults | flagNoUserConv, flagMMapable, 0, noValue, true, checkArena},

		spec.ReuseportSockArray:  {newReuseportArray, flagNUMANode | flagsAccess, 0, 4, portValue, true, nil},
		spec.CGroupStorage:       {newCGroupStorage, flagNUMANode | flagsAccess, 0, anySize, anyValue, false, checkGroupStorage},
		spec.PerCPUCGroupStorage: {newCGroupStorage, flagNUMANode | flagsAccess, 0, anySize, anyValue, false, checkGroupStorage},
	}
}

// checkDefinition returns why the kernel would not create a map, or nil.
func checkDefinition(def *spec.Map) error {
	r, ok := rules[def.Type]
	if !ok {
		return fmt.Errorf("maps of type %s are not supported: %w", def.Type, EINVAL)
	}
	switch f := def.Flags; {
	case f&^r.flags != 0:
		return fmt.Errorf("the flags %#x are not allowed for type %s: %w", f&^r.flags, def.Type, EINVAL)
	case f&r.must != r.must:
		return fmt.Errorf("type %s needs the flags %#x: %w", def.Type, r.must, EINVAL)
	case f&flagRdonly != 0 && f&flagWronly != 0, f&flagRdonlyProg != 0 && f&flagWronlyProg != 0:
		return fmt.Errorf("the map can be neither read nor written (flags %#x): %w", f, EINVAL)
	case r.entries && def.MaxEntries == 0:
		return fmt.Errorf("max_entries is 0: %w", EINVAL)
	case !r.entries && def.MaxEntries != 0 && def.Type != spec.CGroupStorage && def.Type != spec.PerCPUCGroupStorage:
		return fmt.Errorf("max_entries is %d and must be 0 for type %s: %w", def.MaxEntries, def.Type, EINVAL)
	case !sizeIn([]int{r.key}, def.KeySize):
		return fmt.Errorf("the key size %d is wrong for type %s, which wants %s: %w", def.KeySize, def.Type, sizesText([]int{r.key}), EINVAL)
	case !sizeIn(r.values, def.ValueSize):
		return fmt.Errorf("the value size %d is wrong for type %s, which wants %s: %w", def.ValueSize, def.Type, sizesText(r.values), EINVAL)
	}
	if r.check != nil {
		if e, why := r.check(def); e != 0 {
			return fmt.Errorf("%s: %w", why, e)
		}
	}
	return nil
}

func sizesText(allowed []int) string {
	switch {
	case allowed[0] == anySize:
		return "one above 0"
	case len(allowed) == 1:
		return fmt.Sprint(allowed[0])
	}
	return fmt.Sprintf("%d or %d", allowed[0], allowed[1])
}

func sizeIn(allowed []int, size uint32) bool {
	for _, a := range allowed {
		if a == anySize && size > 0 || a == int(size) {
			return true
		}
	}
	return false
}

func checkArray(def *spec.Map) (Errno, string) {
	if def.ValueSize > 1<<31-1 {
		return E2BIG, fmt.Sprintf("the value size %d is too large", def.ValueSize)
	}
	return 0, ""
}

func checkPerCPU(def *spec.Map) (Errno, string) {
	if round8(def.ValueSize) > maxPerCPUValue {
		return E2BIG, fmt.Sprintf("the value size %d is too large for a per-CPU map, whose values have at most %d bytes", def.ValueSize, maxPerCPUValue)
	}
	return 0, ""
}

func checkHash(def *spec.Map) (Errno, string) {
	lru := def.Type == spec.LRUHash || def.Type == spec.LRUPerCPUHash
	switch {
	case lru && def.Flags&flagNoPrealloc != 0:
		return ENOTSUPP, "an LRU map cannot have BPF_F_NO_PREALLOC"
	case uint64(def.KeySize)+uint64(def.ValueSize) >= maxHashElement:
		return E2BIG, fmt.Sprintf("key and value have %d bytes, at most %d are allowed", uint64(def.KeySize)+uint64(def.ValueSize), maxHashElement-1)
	case def.MaxEntries > 1<<31:
		return E2BIG, fmt.Sprintf("max_entries is %d, at most %d are allowed", def.MaxEntries, uint32(1)<<31)
	case perCPU(def.Type):
		return checkPerCPU(def)
	}
	return 0, ""
}

func checkRing(def *spec.Map) (Errno, string) {
	if n := def.MaxEntries; n&(n-1) != 0 || n%pageSize != 0 {
		return EINVAL, fmt.Sprintf("the size %d is no power of two or no multiple of the page size, %d", n, pageSize)
	}
	return 0, ""
}

// checkOuter checks the definition of the maps in a map.
func checkOuter(def *spec.Map) (Errno, string) {
	in := def.Inner
	switch {
	case in == nil:
		return EBADF, "there is no definition of the inner maps"
	case in.Inner != nil || in.Type == spec.ArrayOfMaps || in.Type == spec.HashOfMaps:
		return EINVAL, "maps in maps in maps are not allowed"
	case in.Type == spec.ProgArray:
		return ENOTSUPP, "a map cannot hold a prog_array"
	}
	if def.Type == spec.HashOfMaps {
		if e, why := checkHash(def); e != 0 {
			return e, why
		}
	}
	if err := checkDefinition(in); err != nil {
		return EINVAL, "inner map: " + err.Error()
	}
	return 0, ""
}

// checkQueue is for all types that keep values and have no keys.
func checkQueue(def *spec.Map) (Errno, string) {
	switch {
	case def.ValueSize > maxValue:
		return E2BIG, fmt.Sprintf("the value size %d is too large, at most %d are allowed", def.ValueSize, maxValue)
	case def.Type == spec.BloomFilter && def.Extra&^15 != 0:
		return EINVAL, fmt.Sprintf("map_extra is %#x; a bloom filter has at most 15 hash functions", def.Extra)
	}
	return 0, ""
}

func checkTrie(def *spec.Map) (Errno, string) {
	const most = maxValue - trieMaxData - 40
	switch {
	case def.KeySize < 5 || def.KeySize > 4+trieMaxData:
		return EINVAL, fmt.Sprintf("the key size %d is wrong: a key has the length of the prefix, 4 bytes, and 1 to %d bytes of data", def.KeySize, trieMaxData)
	case def.ValueSize > most:
		return EINVAL, fmt.Sprintf("the value size %d is too large, at most %d are allowed", def.ValueSize, most)
	}
	return 0, ""
}

// checkBuckets is for hash tables whose number of buckets has to fit.
func checkBuckets(def *spec.Map) (Errno, string) {
	if def.MaxEntries > 1<<31 {
		return EINVAL, fmt.Sprintf("max_entries is %d, at most %d are allowed", def.MaxEntries, uint32(1)<<31)
	}
	return 0, ""
}

func checkCPUMap(def *spec.Map) (Errno, string) {
	if def.MaxEntries > maxCPUs {
		return E2BIG, fmt.Sprintf("max_entries is %d, there are at most %d CPUs", def.MaxEntries, maxCPUs)
	}
	return 0, ""
}

func checkSockhash(def *spec.Map) (Errno, string) {
	if def.KeySize > 512 {
		return E2BIG, fmt.Sprintf("the key size %d is too large, at most 512 are allowed", def.KeySize)
	}
	return checkBuckets(def)
}

func checkStackTrace(def *spec.Map) (Errno, string) {
	frame := uint32(8)
	if def.Flags&flagStackBuildID != 0 {
		frame = buildIDSize
	}
	switch {
	case def.ValueSize%frame != 0 || def.ValueSize/frame > maxStackDepth:
		return EINVAL, fmt.Sprintf("the value size %d is not that of 1 to %d frames of %d bytes", def.ValueSize, maxStackDepth, frame)
	case def.MaxEntries > 1<<31:
		return E2BIG, fmt.Sprintf("max_entries is %d, at most %d are allowed", def.MaxEntries, uint32(1)<<31)
	}
	return 0, ""
}

func checkStorage(def *spec.Map) (Errno, string) {
	if def.ValueSize > 0xffff-64 {
		return E2BIG, fmt.Sprintf("the value size %d is too large, at most %d are allowed", def.ValueSize, 0xffff-64)
	}
	return 0, ""
}

func checkStructOps(def *spec.Map) (Errno, string) {
	if def.MaxEntries != 1 {
		return EINVAL, fmt.Sprintf("max_entries is %d; a table of functions is one element", def.MaxEntries)
	}
	return 0, ""
}

func checkGroupStorage(def *spec.Map) (Errno, string) {
	most := uint32(0xffff - 64)
	if perCPU(def.Type) {
		most = maxPerCPUValue
	}
	switch {
	case def.KeySize != 8 && def.KeySize != groupKeySize:
		return EINVAL, fmt.Sprintf("the key size %d is wrong: a key is the number of a control group, 8 bytes, or a struct bpf_cgroup_storage_key, %d", def.KeySize, groupKeySize)
	case def.ValueSize > most:
		return E2BIG, fmt.Sprintf("the value size %d is too large, at most %d are allowed", def.ValueSize, most)
	case def.MaxEntries != 0:
		return EINVAL, fmt.Sprintf("max_entries is %d and must be 0 for type %s", def.MaxEntries, def.Type)
	}
	return 0, ""
}

func checkArena(def *spec.Map) (Errno, string) {
	size := uint64(def.MaxEntries) * pageSize
	switch {
	case def.Extra%pageSize != 0:
		return EINVAL, fmt.Sprintf("map_extra, the address for user space, is %#x, which is no multiple of the page size, %d", def.Extra, pageSize)
	case size > 1<<32:
		return E2BIG, fmt.Sprintf("%d pages are more than 4 GiB", def.MaxEntries)
	case def.Extra>>32 != (def.Extra+size-1)>>32:
		return ERANGE, fmt.Sprintf("the arena at %#x goes beyond a multiple of 4 GiB", def.Extra)
	}
	return 0, ""
}
