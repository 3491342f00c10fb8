package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odradek/bench/measure"
)

// Everything of a forest lies on its scale, and 1 is on it.
func TestForest(t *testing.T) {
	f := &Forest{Title: "a title", XLabel: "times", Rows: []Ratio{{"cell-one", measure.Interval{Median: 3, Low: 2, High: 4, Runs: 3}, 20}, {"cell-two", measure.Interval{Median: 0.2, Low: 0, High: 0.3, Runs: 3}, 0}}}
	s := f.scale()
	for _, v := range []float64{0, 0.2, 1, 4, 20} {
		if x := s.at(v); x < s.left || x > s.right {
			t.Errorf("%v lies at %v, outside %v to %v", v, x, s.left, s.right)
		}
	}
	if s.at(2) <= s.at(1) {
		t.Error("what is better does not lie further right")
	}
	for _, text := range []string{"a title", "cell-one", "cell-two", "times"} {
		if !strings.Contains(drawn(t, f), text) {
			t.Errorf("%q is not in the picture", text)
		}
	}
}

// Blue is better, orange is worse, a draw is white; numbers stand in the boxes, and where nothing is known there is none.
func TestHeat(t *testing.T) {
	if c := hue(8); c != palette[2] {
		t.Errorf("much better is %v", c)
	}
	if c := hue(1.0 / 8); c != palette[1] {
		t.Errorf("much worse is %v", c)
	}
	if c := hue(1); c.R != 255 || c.G != 255 || c.B != 255 {
		t.Errorf("a draw is %v", c)
	}
	h := &Heat{Title: "heat", Columns: []string{"none", "zstd"}, Rows: []string{"1K"}, Values: [][]float64{{2.5, 0}}}
	if h.Count() != 1 {
		t.Errorf("%d are known", h.Count())
	}
	if text := drawn(t, h); !strings.Contains(text, "2.5×") || !strings.Contains(text, "zstd") || strings.Contains(text, "0×") {
		t.Error("the numbers are not as they are given")
	}
}

// drawn is a picture's SVG.
func drawn(t *testing.T, d interface{ Draw(string) error }) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture")
	if err := d.Draw(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + ".png"); err != nil || info.Size() == 0 {
		t.Errorf("no PNG: %v", err)
	}
	text, err := os.ReadFile(path + ".svg")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
