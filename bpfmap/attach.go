// Implements room for what others keep with a map.

package bpfmap

// Attach returns what is kept with the map under a key, which can be of any comparable type of the caller's own; if
// there is nothing, it is what make returns. It goes when the map goes. Helpers keep timers so.
func (m *Local) Attach(key any, make func() any) any {
	v, ok := m.attached.Load(key)
	if !ok {
		v, _ = m.attached.LoadOrStore(key, make())
	}
	return v
}
