"""Pass-through homes (*doorsluishuizen*): dwellings that change hands unusually often (V3)."""
