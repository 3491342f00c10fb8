package chart

import (
	"image/color"
	"math"
	"strconv"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Heat is a picture of ratios in rows and columns: blue where ours is better, orange where theirs is, the stronger the further from a draw.
type Heat struct {
	Name, Title   string
	Across, Down  string // what columns and rows are
	Columns, Rows []string
	Values        [][]float64 // by row, then by column; 0: none
}

const (
	heatNames = 0.9 * vg.Inch
	heatHigh  = 27
	// strongest is the ratio from which colours become no stronger.
	strongest = 8
)

// Count counts what is known.
func (h *Heat) Count() (n int) {
	for _, row := range h.Values {
		for _, v := range row {
			if v > 0 {
				n++
			}
		}
	}
	return n
}

// Draw makes a PNG and an SVG.
func (h *Heat) Draw(path string) error {
	return render(path, width, lines*3+heatHigh*vg.Length(len(h.Rows))+edge*2, h.on)
}

// hue mixes a side's colour with white.
func hue(ratio float64) color.RGBA {
	full := palette[2]
	if ratio < 1 {
		full = palette[1]
	}
	share := min(math.Abs(math.Log(ratio))/math.Log(strongest), 1)
	mix := func(c uint8) uint8 { return uint8(255 - share*(255-float64(c))) }
	return color.RGBA{mix(full.R), mix(full.G), mix(full.B), 255}
}

func (h *Heat) on(canvas draw.Canvas) error {
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	top := canvas.Max.Y - edge
	normal := face(fontSize, stdfont.WeightNormal)
	write(canvas, h.Title, edge, top-lines*0.8, bold, draw.XLeft)
	write(canvas, h.Down+" \\ "+h.Across, edge, top-lines*2, face(fontSize-1, stdfont.WeightNormal), draw.XLeft)
	wide := (width - heatNames - 2*edge) / vg.Length(len(h.Columns))
	first := top - lines*2.4
	for j, name := range h.Columns {
		write(canvas, name, edge+heatNames+wide*(vg.Length(j)+0.5), top-lines*2, normal, draw.XCenter)
	}
	for i, name := range h.Rows {
		y := first - heatHigh*vg.Length(i+1)
		write(canvas, name, edge, y+heatHigh/2-4, normal, draw.XLeft)
		for j, v := range h.Values[i] {
			if v <= 0 {
				continue
			}
			x := edge + heatNames + wide*vg.Length(j)
			box := vg.Rectangle{Min: vg.Point{X: x + 1, Y: y + 1}, Max: vg.Point{X: x + wide - 1, Y: y + heatHigh - 1}}
			canvas.SetColor(hue(v))
			canvas.Fill(box.Path())
			style := draw.TextStyle{Color: color.Black, Font: normal, XAlign: draw.XCenter, Handler: plot.DefaultTextHandler}
			if c := hue(v); int(c.R)+int(c.G)+int(c.B) < 3*140 {
				style.Color = color.White
			}
			canvas.FillText(style, vg.Point{X: x + wide/2, Y: y + heatHigh/2 - 4}, strconv.FormatFloat(v, 'g', 3, 64)+"×")
		}
	}
	return nil
}
