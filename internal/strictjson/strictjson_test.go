package strictjson

import "testing"

// read reads a document of numbers and names, and what else is in "rest".
func read(text string) error {
	r, err := New([]byte(text))
	if err != nil {
		return err
	}
	var n uint16
	var names []string
	var yes bool
	name := func(path string) (s string, err error) { return s, r.Text(&s)(path) }
	inner := r.OpenObject(Fields{"yes": r.Bool(&yes)})
	err = r.Object(Fields{"n": r.Optional(Number(r, &n, 10)), "names": List(r, &names, name), "rest": r.Skip(), "inner": inner}, "names")("")
	if err == nil && len(names) == 3 {
		err = r.Fail("names[2]", "one too many")
	}
	return err
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string]string{
		`{"names": ["a"], "n": 3, "rest": [1, {"n": []}]}`: "",
		`{"n": null, "names": [], "inner": {"other": {}}}`: "",
		`{"n": 3}`:                              `1:1: the object has no field "names"`,
		"{\n \"n\": 11}":                        `2:7: n: expected a whole number from 0 to 10, found 11`,
		`{"n": 1.5}`:                            `1:7: n: expected a whole number from 0 to 10, found 1.5`,
		`{"names": ["a", 7]}`:                   `1:17: names[1]: expected a string, found the number 7`,
		`{"names": ["a", "b",` + "\n" + `"c"]}`: `2:1: names[2]: one too many`,
		`{"names": {}}`:                         `1:11: names: expected a list, found an object`,
		`{"names": [], "names": []}`:            `1:15: names: the field is given twice`,
		`{"names": [], "Names": []}`:            `1:15: unknown field "Names", expected one of inner, n, names, rest`,
		`{"inner": {"yes": 1}}`:                 `1:19: inner.yes: expected true or false, found the number 1`,
		`[]`:                                    `1:1: expected an object, found a list`,
		`{"n": 3} x`:                            `1:10: invalid character 'x' after top-level value`,
		"{\"\xff\":1}":                          `1:3: byte 0xff is not valid UTF-8`,
		``:                                      `1:1: unexpected end of JSON input`,
	} {
		got := ""
		if err := read(text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}
