-- The order's table, as SpecQL makes one of entity.yaml.
CREATE SCHEMA IF NOT EXISTS commerce;
CREATE TABLE commerce.tb_order (
  pk_order     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id           uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  order_number text NOT NULL UNIQUE,
  amount_cents integer NOT NULL,
  currency     text NOT NULL,
  card_number  text NOT NULL,
  status       text NOT NULL DEFAULT 'placed' CHECK (status IN ('placed', 'paid', 'payment_failed')),
  charge_id    text,
  failure      text,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now()
);
