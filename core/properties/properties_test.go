package properties

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The expected values are what java.util.Properties.load makes of the same text.
func TestAsJavaReadsThem(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Property
	}{
		{"a=b", []Property{{"a", "b", 1}}},
		{"# c\n! d\n\n  a : b \r\nc d\rlast", []Property{{"a", "b ", 4}, {"c", "d", 5}, {"last", "", 6}}},
		{"log.dirs = /a,\\\n    /b\nx=1", []Property{{"log.dirs", "/a,/b", 1}, {"x", "1", 3}}},
		{"a\\=b=c\\:d", []Property{{"a=b", "c:d", 1}}},
		{`k=\u0041\t\\\n\z`, []Property{{"k", "A\t\\\nz", 1}}},
		{`k=\ud83d\ude00!`, []Property{{"k", "😀!", 1}}},
		{"k==v", []Property{{"k", "=v", 1}}},
		{"k = = v", []Property{{"k", "= v", 1}}},
		{"k\\", []Property{{"k", "", 1}}},
		{"k=a\\\\\nb=c", []Property{{"k", `a\`, 1}, {"b", "c", 2}}},
		{"k=a\\\n\nb=c", []Property{{"k", "a", 1}, {"b", "c", 3}}},
		{"k=a\\\n#b\nc=d", []Property{{"k", "a#b", 1}, {"c", "d", 3}}},
		{"=v", []Property{{"", "v", 1}}},
		{"schlüssel=wert ü", []Property{{"schlüssel", "wert ü", 1}}},
		{"", nil},
	} {
		got, err := Parse(c.text)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
	if _, err := Parse("a=b\nk=\\u12"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a short \\u: %v", err)
	}
}

// FuzzParse wants no panic, sound line numbers, and that what is read can be written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a=b", "a\\=b : c\\\n d", "k=\\ud83d\\ude00", "! \n#\r\r\nx", "\\", "\\u00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err != nil {
			return
		}
		last, written := 0, ""
		for _, p := range got {
			if p.Line <= last || p.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+1 {
				t.Fatalf("line %d after %d of %q", p.Line, last, text)
			}
			last = p.Line
			written += Escape(p.Key) + "=" + Escape(p.Value) + "\n"
		}
		if !utf8.ValidString(text) {
			return
		}
		again, err := Parse(written)
		if err != nil || len(again) != len(got) {
			t.Fatalf("%+v written as %q is read as %+v, %v", got, written, again, err)
		}
		for i := range got {
			if got[i].Key != again[i].Key || got[i].Value != again[i].Value {
				t.Fatalf("%+v written as %q is read as %+v", got[i], written, again[i])
			}
		}
	})
}
