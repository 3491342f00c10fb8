package chart

import (
	"image/color"
	"math"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"odradek/bench/measure"
)

// Forest is a picture of ratios, one a line with its name, on a logarithmic scale on which 1 is a draw.
type Forest struct {
	Name, Title, XLabel string
	Rows                []Ratio
}

// Ratio is one line of it.
type Ratio struct {
	Name  string
	Value measure.Interval
	Asked float64 // 0: nothing
}

const (
	names    = 3.1 * vg.Inch // room for names
	rowHigh  = 19            // points for each line
	markHigh = 6
)

// Count counts the lines.
func (f *Forest) Count() int { return len(f.Rows) }

// Draw makes a PNG and an SVG.
func (f *Forest) Draw(path string) error {
	return render(path, width, lines*3.4+rowHigh*vg.Length(len(f.Rows))+edge*2, f.on)
}

// scale is where a ratio lies, between left and right.
type scale struct {
	low, high   float64
	left, right vg.Length
}

func (f *Forest) scale() scale {
	s := scale{0.8, 1.25, edge + names, width - 3*edge}
	for _, r := range f.Rows {
		s.low = min(s.low, positive(r.Value.Low)/1.2)
		s.high = max(s.high, r.Value.High*1.2, r.Asked*1.2)
	}
	return s
}

// positive keeps what cannot stand on a logarithmic scale at its edge.
func positive(v float64) float64 { return max(v, 0.01) }

func (s scale) at(v float64) vg.Length {
	share := (math.Log(positive(v)) - math.Log(s.low)) / (math.Log(s.high) - math.Log(s.low))
	return s.left + vg.Length(share)*(s.right-s.left)
}

func (f *Forest) on(canvas draw.Canvas) error {
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	s, top := f.scale(), canvas.Max.Y-edge
	small := face(fontSize-1, stdfont.WeightNormal)
	write(canvas, f.Title, edge, top-lines*0.8, bold, draw.XLeft)
	first := top - lines*1.4
	bottom := first - rowHigh*vg.Length(len(f.Rows))
	line := func(x0, y0, x1, y1 vg.Length, wide float64, hue color.Color) {
		canvas.StrokeLine2(draw.LineStyle{Color: hue, Width: vg.Points(wide)}, x0, y0, x1, y1)
	}
	for e := math.Floor(math.Log10(s.low)); e <= math.Ceil(math.Log10(s.high)); e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			if v < s.low || v > s.high {
				continue
			}
			line(s.at(v), first, s.at(v), bottom, 0.5, color.Gray{200})
			if m == 1 || s.high/s.low < 300 {
				write(canvas, plain(v), s.at(v), bottom-lines*0.7, small, draw.XCenter)
			}
		}
	}
	line(s.at(1), first, s.at(1), bottom, 1.2, color.Black)
	write(canvas, f.XLabel, (s.left+s.right)/2, edge+lines*0.2, face(fontSize, stdfont.WeightNormal), draw.XCenter)
	for i, r := range f.Rows {
		y := first - rowHigh*(vg.Length(i)+0.5)
		write(canvas, r.Name, edge, y-4, small, draw.XLeft)
		hue := palette[2]
		if r.Value.Median < max(1, r.Asked) {
			hue = palette[1]
		}
		line(s.at(r.Value.Low), y, s.at(r.Value.High), y, 1.6, hue)
		canvas.DrawGlyph(draw.GlyphStyle{Color: hue, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}, vg.Point{X: s.at(r.Value.Median), Y: y})
		if r.Asked > 0 {
			line(s.at(r.Asked), y-markHigh, s.at(r.Asked), y+markHigh, 2.4, color.Black)
		}
	}
	return nil
}
