//! Programs that show one situation each: they are in `examples/`. A bigger one, of many processes, is in `shop/`.
