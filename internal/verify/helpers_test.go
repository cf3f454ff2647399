package verify

import (
	"github.com/skepbpf/skep/helper"
)

// testHelper finds a standard helper.
func testHelper(id int32) *helper.Helper { return helperTable[id] }

var helperTable = func() map[int32]*helper.Helper {
	m := map[int32]*helper.Helper{}
	for _, h := range helper.Table() {
		m[h.ID] = &h
	}
	return m
}()
