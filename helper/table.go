// Implements the standard table and its look-ups by number and by name.

package helper

import (
	"slices"
	"strings"
)

// table holds the families; each file of the package adds some.
var table = slices.Concat(mapElements, wholeMaps, timeAndChance, currentTask, taskInCgroup, printing, texts, probes, stacks, stackIDs, perfEvents, ringBuffers, userRings,
	dynptrs, locks, loops, timers, storages, localStorage, kptrs, perCPU, tracing, returnValue, system, remotes, sysctls, classicLoads, networking, kfuncs())

// networking are the families for packets and sockets.
var networking = slices.Concat(packetBytes, packetSizes, packetMeta, checksums, tunnels, redirects, xdpPackets, routing, packetOutput, sockets, socketMaps,
	socketOptions, messages, synCookies, lightTunnels)

// firstKfunc is the number of the first kernel function. The numbers of these are their places in the table, and
// mean nothing outside the process.
const firstKfunc int32 = 0x100000

// kfuncs returns the kernel functions, numbered.
func kfuncs() []Helper {
	all := slices.Concat(sections, iterators, workQueues, mapKfuncs, arenaKfuncs, cpuMasks, packetHints, only(sessionTypes, sessionKfuncs), dynptrKfuncs, stringKfuncs, userStrings,
		only(genericTypes, slices.Concat(ownObjects, lists, taskKfuncs)), casts, kernelPrinting)
	for i := range all {
		all[i].ID = firstKfunc + int32(i)
	}
	return all
}

// Table returns the standard helpers by number. The slice is the caller's.
func Table() []Helper { return slices.Clone(table) }

// Names returns the numbers of the kernel's helpers by name, without the "bpf_" prefix: all of them, also
// those that Skep has no body for. Kernel functions are among them with their whole names.
func Names() map[string]int32 {
	m := make(map[string]int32, len(linuxNames))
	for id, name := range linuxNames {
		m[name] = int32(id)
	}
	for i := range table {
		m[table[i].Name] = table[i].ID
	}
	return m
}

var byName = Names()

// ID returns the number of the helper with the given name, with or without "bpf_", or of the kernel function with
// that name.
func ID(name string) (int32, bool) {
	id, ok := byName[name]
	if !ok {
		id, ok = byName[strings.TrimPrefix(name, "bpf_")]
	}
	return id, ok
}

// Name returns the name of the helper with the given number, without "bpf_".
func Name(id int32) (string, bool) {
	if id >= 0 && int(id) < len(linuxNames) {
		return linuxNames[id], true
	}
	for i := range table {
		if table[i].ID == id {
			return table[i].Name, true
		}
	}
	return "", false
}
