package event

import "testing"

// TestSelects has choices between two comparisons of a field.
func TestSelects(t *testing.T) {
	type rec struct {
		B bool
		I int32
		U uint64
	}
	values := []int64{0, 1, -1, 5, 6, 7, 100, -100, 1<<31 - 1, -1 << 31}
	for cmp := Equal; cmp <= GreaterEqual; cmp++ {
		for _, a := range values {
			for _, b := range values {
				for _, field := range []string{"I", "U"} {
					e := If(FieldValue("B"), Compare(cmp, FieldValue(field), IntValue(a)), Compare(cmp, FieldValue(field), IntValue(b)))
					f, err := CompileFor[rec](e, nil)
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range values {
						for _, yes := range []bool{false, true} {
							r := rec{yes, int32(v), uint64(v)}
							if got, want := f.Eval(&r), reference(f.root, &r); got != want {
								t.Fatalf("%s of %+v: %v, want %v", f.root, r, got, want)
							}
						}
					}
				}
			}
		}
	}
}
